/* Counts that several threads change without the GIL: references, and the numbers that names are made of. */
#ifndef PGPROTO_ATOMIC_COUNT_H
#define PGPROTO_ATOMIC_COUNT_H
#include <stdint.h>

/* Add `change`; return what the count is then. */
#if defined(__GNUC__) || defined(__clang__)
static inline int64_t apc_count(int64_t *count, int64_t change) {
    return __atomic_add_fetch(count, change, __ATOMIC_ACQ_REL);
}
#elif defined(_MSC_VER)
#include <intrin.h>
static __inline int64_t apc_count(int64_t *count, int64_t change) {
    return _InterlockedExchangeAdd64((volatile __int64 *)count, change) + change;
}
#else
#error "no atomic addition is known for this compiler"
#endif

#endif /* PGPROTO_ATOMIC_COUNT_H */
