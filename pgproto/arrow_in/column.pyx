"""One column of Arrow data: where its buffers lie, and the function that puts a value of it into a COPY.

A column is made once from the types of both sides and bound to the arrays of one batch after another. The sizes of
buffers are not in the C data interface: that they are as long as length and offset say is the producer's word. All else
is checked here (how many buffers and children, which of them may be missing) or where it is used (offsets, indexes).

https://arrow.apache.org/docs/format/CDataInterface.html
"""
cimport cython

from pgproto.errors import InterfaceError

# No sum and no product of two of these with a small factor overflows.
cdef int64_t LENGTH_MAX = 0x0FFFFFFFFFFFFFFF


@cython.final
cdef class ArrowColumn:
    def __cinit__(self, str path not None, object field not None, Codec codec):
        self.path = path
        self.field = field
        self.codec = codec
        self.children = self.attributes = ()
        self.factor = 1

    def __repr__(self):
        return f"<ArrowColumn {self.path} {self.field} -> {self.codec}>"

    cdef int bind(self, ArrowArray *array, int64_t needed) except -1:
        """Take the array of the next batch, which has `needed` values at least."""
        if array == NULL:
            return self.refuse("the array is missing")
        if not 0 <= array.length <= LENGTH_MAX or not 0 <= array.offset <= LENGTH_MAX:
            return self.refuse(f"length {array.length} and offset {array.offset}")
        if array.length < needed:
            return self.refuse(f"{needed} values were expected, {array.length} were given")
        self.length = array.length
        self.offset = array.offset
        self.bind_buffers(array)
        return self.bind_parts(array, self.offset + self.length)

    cdef int bind_buffers(self, ArrowArray *array) except -1:
        cdef int64_t n = self.field.n_buffers
        cdef bint is_view = self.bytes_at != NULL and self.field.kind.endswith("_view")
        if n == 0:
            # Nulls only: polars gives a bitmap where Arrow has nothing, and nobody looks at it.
            return 0
        if array.n_buffers < n if is_view else array.n_buffers != n:
            return self.refuse(f"{n} buffers were expected, {array.n_buffers} were given")
        if array.buffers == NULL:
            return self.refuse("the buffers are missing")
        self.validity = <const char *>array.buffers[0] if array.null_count != 0 else NULL
        if array.null_count > 0 and self.validity == NULL:
            return self.refuse(f"{array.null_count} values are null, the bitmap that says which is missing")
        self.values = <const char *>array.buffers[1] if n > 1 else NULL
        self.text = <const char *>array.buffers[2] if n > 2 and not is_view else NULL
        if n > 1 and self.length > 0 and self.values == NULL:
            return self.refuse("the buffer of the values is missing")
        if is_view:
            self.parts = <const char **>&array.buffers[2]
            self.n_parts = array.n_buffers - 3
            self.part_lengths = <const char *>array.buffers[array.n_buffers - 1]
            if self.n_parts > 0 and self.part_lengths == NULL:
                return self.refuse("the lengths of the buffers are missing")
        return 0

    cdef int bind_parts(self, ArrowArray *array, int64_t needed) except -1:
        """Bind what the column is made of; `needed` is how far into its buffers its own values reach."""
        cdef Py_ssize_t i, n = len(self.field.children)
        cdef int64_t needed_of_child = 0
        if array.n_children != n:
            return self.refuse(f"{n} children were expected, {array.n_children} were given")
        if n > 0 and array.children == NULL:
            return self.refuse("the children are missing")
        if self.field.kind == "struct":
            needed_of_child = needed
        elif self.field.kind == "fixed_size_list":
            if self.width and needed > LENGTH_MAX // self.width:
                return self.refuse(f"{needed} lists of {self.width} values")
            needed_of_child = needed * self.width
        # A column of nulls only, whatever they are of, has no columns for its parts.
        for i in range(len(self.children)):
            (<ArrowColumn>self.children[i]).bind(array.children[i], needed_of_child)
        if (array.dictionary != NULL) != (self.field.dictionary is not None):
            return self.refuse("a dictionary was " + ("not expected" if array.dictionary != NULL else "expected"))
        if self.dictionary is not None:
            self.dictionary.bind(array.dictionary, 0)
        return 0

    cdef int forget(self) except -1:
        """The batch is gone: nothing of it is touched any more."""
        cdef ArrowColumn part
        self.validity = self.values = self.text = self.part_lengths = NULL
        self.parts = NULL
        self.length = self.offset = self.n_parts = 0
        for part in self.children:
            part.forget()
        if self.dictionary is not None:
            self.dictionary.forget()
        return 0

    cdef int refuse(self, str what) except -1:
        raise InterfaceError(f"column {self.path!r}: the Arrow data are not as {self.field} has to be: {what}",
                             column=self.path)
