"""How many one-token changes of the protocol core do the unit tests catch?

    python tools/mutants.py [--count 200] [--seed 1] [--workers 2] [--only GLOB]

The candidates of all subject files are shuffled by the seed and tried in that order until `count` of them counted. Each
is applied in a scratch copy, what depends on it is built again without optimization, and the unit tests run, those
first that name the module. A failure, a crash or a hang is a catch. Two kinds do not count: what does not compile, and
what changes nothing. The latter is decided by compilers: the C that Cython makes is the same but for comments, or an
optimizing compiler makes the same object files of it; a few things that mean the same are known here. Outcomes are
kept in the cache under a hash of the sources, so an interrupted run goes on where it stopped; what was caught stays so
when tests are added and none is changed, and only survivors are tried again. Exit status 0: at least 90 % are caught.
"""
import argparse
import ast
import concurrent.futures
import fnmatch
import hashlib
import json
import os
import queue
import random
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from tools.scratch import ROOT, cache_dir, environment, fresh_copy, source_files

SUBJECTS = ("pgproto/wire.*", "pgproto/read_buffer.*", "pgproto/write_buffer.*", "pgproto/messages/*", "pgproto/owed.*",
            "pgproto/operations/*", "pgproto/frontend.*", "pgproto/record.*", "pgproto/record_iterators.h",
            "pgproto/row_shape.h", "pgproto/leaf_record.h")
SUFFIXES = (".pyx", ".pxd", ".py", ".c", ".h")
# Files of unit tests without these words test tools, or parts of the driver that never call the core.
NEAR_THE_CORE = re.compile("pgproto|backend_bytes|startup_server")
BAR = 0.90
COUNTED = ("caught", "survived")
MEMORY_BYTES = 6 << 30
# No unit test takes longer; C that loops holds the GIL, so only faulthandler's own thread can end it.
TEST_SECONDS = 20

SWAPS = {
    "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "+": "-", "-": "+", "+=": "-=", "-=": "+=",
    "<<": ">>", ">>": "<<", "|": "&", "&": "|", "&&": "||", "||": "&&", "|=": "&=", "&=": "|=",
    "and": "or", "or": "and", "True": "False", "False": "True", "is": "is not", "is not": "is", "not in": "in",
    "break": "continue", "continue": "break", "not": "", "!": "",
}
OPERATORS = ("<<=", ">>=", "->", "...", "<<", ">>", "<=", ">=", "==", "!=", "+=", "-=", "|=", "&=", "&&", "||", "++",
             "--", *"+-*/%<>=&|^~!?:;,.()[]{}@\\#$`")
PYTHON_TOKEN = re.compile(
    r"(?P<skip>#[^\n]*|[rRbBuUfFcC]{0,2}(?:\"\"\".*?\"\"\"|'''.*?'''|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*')|\s+)"
    r"|(?P<word>is\s+not\b|not\s+in\b|[A-Za-z_]\w*)|(?P<number>0[xX][0-9a-fA-F_]+|\d[\d_]*(?:\.\d+)?)"
    r"|(?P<operator>" + "|".join(map(re.escape, OPERATORS)) + r"|.)", re.DOTALL)
C_TOKEN = re.compile(
    r"(?P<skip>//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|\#[^\n]*(?:\\\n[^\n]*)*|\s+)"
    r"|(?P<word>[A-Za-z_]\w*)|(?P<number>0[xX][0-9a-fA-F]+[uUlL]*|\d+[uUlL]*)"
    r"|(?P<operator>" + "|".join(map(re.escape, OPERATORS)) + r"|.)", re.DOTALL)
C_COMMENT = re.compile(r"(?P<kept>\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*')|/\*.*?\*/|//[^\n]*", re.DOTALL)
# Lines that say what exists and not what happens: a change there breaks the compilation or nothing. A condition on the
# kind of build or on likelihood is of that sort, too.
DECLARATION = re.compile(r"\s*(from\b|import\b|cimport\b|include\b|@|__all__|cdef extern|ctypedef|"
                         r"static PyTypeObject|\.tp_|\{NULL\b|raise AssertionError|assert\b|if TYPE_CHECKING|"
                         r"PyDoc_STRVAR)")


class Mutant(NamedTuple):
    path: str
    offset: int
    old: str
    new: str
    line: int

    @property
    def key(self) -> str:
        return f"{self.path}:{self.offset}:{self.old}:{self.new}"

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: `{self.old}` -> `{self.new or '(nothing)'}`"


def number_plus_one(text: str) -> str | None:
    digits = re.fullmatch(r"(0[xX][0-9a-fA-F_]+|\d[\d_]*)([uUlL]*)", text)
    if digits is None:
        return None
    value = int(digits[1], 0) if not re.fullmatch(r"0\d+", digits[1]) else None
    return None if value is None else f"{value + 1}{digits[2]}"


def mutants_of(path: str, text: str) -> list[Mutant]:
    """Every one-token change of a file that is likely to compile, in the order of the text."""
    is_c = path.endswith((".c", ".h"))
    found = []
    for token in (C_TOKEN if is_c else PYTHON_TOKEN).finditer(text):
        if token.lastgroup == "skip":
            continue
        old, start, end = token[0], token.start(), token.end()
        line_start = text.rfind("\n", 0, start) + 1
        line_end = text.find("\n", start)
        before, after = text[line_start:start], text[end:line_end if line_end >= 0 else len(text)]
        if DECLARATION.match(before + old):
            continue
        new = number_plus_one(old) if token.lastgroup == "number" else SWAPS.get(re.sub(r"\s+", " ", old))
        if new is None or not is_likely(token.lastgroup or "", old, before, after, is_c=is_c):
            continue
        if (before.strip(), old, after.strip()) == ("return", "0", "") and is_mere_success(text, start):
            continue
        if (before.strip(), old, after.strip()) == ("return -", "1", ";") and is_mere_failure(text, start):
            continue
        found.append(Mutant(path, start, old, new, text.count("\n", 0, start) + 1))
    return found


def is_likely(kind: str, old: str, before: str, after: str, *, is_c: bool) -> bool:
    """Whether the token is in a place where the changed text means something else and compiles."""
    if kind == "number":
        # `except -1` is a declaration, and so is an array's size.
        if re.search(r"except\s*\??\s*-?\s*$", before) or re.match(r"\s*(cdef|static|char|uint8_t)\b[^=(]*\[$", before):
            return False
        return not is_size(old)
    if kind == "operator" and old != "!":
        # A binary operator has spaces on both sides in this project; what has none is a cast, a pointer or a sign.
        if not (before.endswith(" ") or not before.strip()) or not after.startswith((" ", "\n")):
            return False
        if old == "&" and not is_c and not before.strip():
            return False
        # `static PyObject * name(` and default arguments of pointer type
        return not re.search(r"(\bexcept|\bnoexcept)\s*\??\s*$", before)
    if old == "!":
        return is_c and not after.startswith("=")
    if old in ("is", "is not", "not", "not in") and is_c:
        return False
    if old in ("and", "or", "True", "False") and is_c:
        return False
    return not (old == "not" and re.search(r"\bis\s*$", before))


FUNCTION_HEAD = re.compile(r"^ *(?:cdef|cpdef|def)\b[^\n]*:\s*$", re.MULTILINE)


def is_mere_success(text: str, at: int) -> bool:
    """Whether the 0 returned at a place says "no exception" and nothing else, as any number but -1 would.

    So it is in a function with `except -1` that returns nothing but 0, or what another call says.
    """
    heads = [head for head in FUNCTION_HEAD.finditer(text) if head.start() < at]
    if not heads or "except -1" not in heads[-1][0]:
        return False
    following = FUNCTION_HEAD.search(text, at)
    body = text[heads[-1].end():following.start() if following else len(text)]
    returned = re.findall(r"^ *return\b *([^\n]*)", body, re.MULTILINE)
    return all(value == "0" or value.endswith(")") for value in returned)


def is_mere_failure(text: str, at: int) -> bool:
    """Whether the -1 returned at a place in C says "an exception is set", as any negative int would.

    A hash of -2 is a hash, so only functions of type int are meant, and of those the ones that know no -2.
    """
    opening, closing = text.rfind("\n{", 0, at), text.find("\n}", at)
    head = text[:opening].rsplit("\n", 1)[-1]
    return re.match(r"static (inline )?int\b", head) is not None and "-2" not in text[opening:closing]


def is_switch_anyway(mutant: Mutant, text: str) -> bool:
    """Whether a changed `or` stands between two equalities of one name in Cython code.

    Cython 3.3 makes a switch of `k == x and k == y` as of `k == x or k == y`, and both mean the latter. The C differs
    where there are more of them.
    """
    if mutant.old != "or" or not mutant.path.endswith((".pyx", ".pxd")):
        return False
    left = re.search(r"(\w+) == [\w']+\s+$", text[:mutant.offset])
    right = re.match(r"or\s+(\w+) == ", text[mutant.offset:])
    return left is not None and right is not None and left[1] == right[1]


def is_success_of_a_choice(mutant: Mutant, text: str) -> bool:
    """Whether the 0 is that of `return 0 if .. else other()`, which means no more than a mere success does."""
    line_start, line_end = text.rfind("\n", 0, mutant.offset) + 1, text.find("\n", mutant.offset)
    return (mutant.old == "0" and text[line_start:mutant.offset].strip() == "return"
            and re.fullmatch(r" if [^\n]* else [\w.]+\([^\n]*\)", text[mutant.offset + 1:line_end]) is not None
            and is_mere_success(text, mutant.offset))


def is_room_for_one_more(mutant: Mutant, text: str) -> bool:
    """Whether the number is added to the size of an array where that is declared: one element more is not used."""
    line_start, line_end = text.rfind("\n", 0, mutant.offset) + 1, text.find("\n", mutant.offset)
    return (re.fullmatch(r"\s*(cdef|static|char|uint8_t)\b[^=(]*\[\w+ \+ ", text[line_start:mutant.offset]) is not None
            and text[mutant.offset + len(mutant.old):line_end].rstrip(";") == "]")


def is_size(text: str) -> bool:
    """Whether a number is a size in KiB: those of buffers are tuning, one more makes no difference to anybody."""
    return text.isdigit() and int(text) >= 1024 and int(text) % 1024 == 0


def subject_files(only: str) -> list[str]:
    names = [path.as_posix() for path in source_files()]
    return [name for name in names if name.endswith(SUFFIXES) and fnmatch.fnmatch(name, only)
            and any(fnmatch.fnmatch(name, pattern) for pattern in SUBJECTS) and not name.endswith("__init__.py")]


def candidates(only: str, seed: int) -> list[Mutant]:
    every = [mutant for name in subject_files(only) for mutant in mutants_of(name, (ROOT / name).read_text())]
    random.Random(seed).shuffle(every)
    return every


def is_unit_test(path: Path) -> bool:
    return path.parts[:2] == ("tests", "unit") and path.name.startswith("test_")


def sources_hash() -> str:
    """Of everything that an outcome depends on but for the unit tests: sources, build, and what tests share."""
    digest = hashlib.sha256(sys.version.encode())
    for path in source_files():
        if (path.parts[0] in ("pgproto", "asyncpg_core", "tests", "setup.py") and "live" not in path.parts
                and not is_unit_test(path)):
            digest.update(f"{path}\0".encode() + (ROOT / path).read_bytes())
    return digest.hexdigest()[:16]


def parts_of_test(name: str, text: str) -> set[str]:
    """What a file of tests consists of: its top-level statements and each name that it imports, as hashes."""
    found = set()
    for node in ast.parse(text).body:
        parts: list[str] = [ast.dump(node)]
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            parts = [f"{getattr(node, 'module', None)} {alias.name} {alias.asname}" for alias in node.names]
        found.update(hashlib.sha256(f"{name} {part}".encode()).hexdigest()[:16] for part in parts)
    return found


def unit_tests() -> set[str]:
    return {part for path in source_files() if is_unit_test(path) and path.suffix == ".py"
            for part in parts_of_test(path.as_posix(), (ROOT / path).read_text())}


def still_true(entries: Iterable[dict[str, str]], now: set[str], of_number: Callable[[str], set[str]]
               ) -> dict[str, str]:
    """The outcomes, by the mutant's key, that also hold with today's tests.

    Each entry names the tests of its time; `of_number` returns them. What compilers have said holds anyway, what was
    caught holds as long as none of those tests is missing, and a survivor is one of its own time only.
    """
    known: dict[str, str] = {}
    times: dict[str, set[str]] = {}
    for entry in entries:
        number, outcome = entry["tests"], entry["outcome"]
        if number not in times:
            times[number] = of_number(number)
        if outcome not in COUNTED or times[number] == now or (outcome == "caught" and times[number] <= now):
            known[entry["key"]] = outcome
    return known


def by_relevance(tree: Path, subject: str) -> tuple[list[str], list[str]]:
    """The unit tests near the core: those that name the subject's module and the others, short ones first."""
    module = Path(subject).stem
    ranked: dict[int, list[str]] = {0: [], 1: [], 2: []}
    for path in sorted((tree / "tests" / "unit").rglob("test_*.py"), key=lambda path: (path.stat().st_size, path)):
        text = path.read_text()
        if NEAR_THE_CORE.search(text):
            rank = 0 if module in path.stem else 1 if re.search(rf"\b{module}\b", text) else 2
            ranked[rank].append(str(path.relative_to(tree)))
    return ranked[0] + ranked[1], ranked[2]


class Workshop:
    """A base that is built once and copies of it in which mutants live; each copy serves one mutant at a time."""

    def __init__(self, place: Path, workers: int) -> None:
        self.base = place / "base"
        self.trees: queue.SimpleQueue[Path] = queue.SimpleQueue()
        self.environ = environment(ASYNCPG_CORE_QUICK="1", HYPOTHESIS_PROFILE="repeatable", PYTHONDONTWRITEBYTECODE="1",
                                   PYTHONFAULTHANDLER="")
        print(f"mutants: building the base in {self.base}", flush=True)
        fresh_copy(self.base)
        built = self.build(self.base, jobs=workers)
        if built.returncode:
            raise SystemExit(f"the unchanged sources do not build:\n{built.stdout}")
        started = time.monotonic()
        if self.is_caught(self.base, "everything", timeout_seconds=600):
            raise SystemExit(f"the unit tests fail on the unchanged sources; run them in {self.base}")
        self.timeout_seconds = 20 + 4 * (time.monotonic() - started)
        for number in range(workers):
            tree = place / f"tree-{number}"
            shutil.rmtree(tree, ignore_errors=True)
            shutil.copytree(self.base, tree, symlinks=True)
            self.trees.put(tree)

    def build(self, tree: Path, jobs: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace", f"--parallel={jobs}"]
        return subprocess.run(command, cwd=tree, env=self.environ, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)

    def is_caught(self, tree: Path, subject: str, timeout_seconds: float) -> bool:
        return any(self.fails(tree, files, timeout_seconds) for files in by_relevance(tree, subject) if files)

    def fails(self, tree: Path, files: list[str], timeout_seconds: float) -> bool:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--tb=no",
                   f"--timeout={TEST_SECONDS}", "-o", f"faulthandler_timeout={TEST_SECONDS + 1}",
                   "-o", "faulthandler_exit_on_timeout=true", *files]
        with subprocess.Popen(command, cwd=tree, env=self.environ | {"PYTHONPATH": str(tree)},
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
                              preexec_fn=limit_memory) as tests:
            try:
                return tests.wait(timeout_seconds) != 0
            except subprocess.TimeoutExpired:
                os.killpg(tests.pid, signal.SIGKILL)
                return True

    def try_one(self, mutant: Mutant) -> str:
        """`caught`, `survived`, `same` (it changes nothing) or `invalid` (it does not compile)."""
        tree = self.trees.get()
        try:
            path = tree / mutant.path
            text = path.read_text()
            if is_switch_anyway(mutant, text) or is_success_of_a_choice(mutant, text) or is_room_for_one_more(
                    mutant, text):
                return "same"
            path.write_text(text[:mutant.offset] + mutant.new + text[mutant.offset + len(mutant.old):])
            if mutant.path.endswith(".py"):
                if not compiles(path):
                    return "invalid"
            elif self.build(tree, jobs=1).returncode:
                return "invalid"
            units = self.changed_units(tree, mutant.path)
            if not units and not mutant.path.endswith(".py"):
                return "same"
            if self.is_caught(tree, mutant.path, self.timeout_seconds):
                return "caught"
            return "same" if units and all(self.compiles_to_the_same(tree, unit) for unit in units) else "survived"
        finally:
            self.restore(tree)
            self.trees.put(tree)

    def changed_units(self, tree: Path, subject: str) -> list[Path]:
        """The C files, relative to the tree, whose meaning may have changed, the small ones first."""
        generated = [path.relative_to(tree) for path in (tree / "build" / "cython-quick").rglob("*.c")]
        if subject.endswith((".c", ".h")):
            name = Path(subject).name
            every = [*generated, *(path.relative_to(tree) for path in (tree / "pgproto").glob("*.c"))]
            units = [unit for unit in every if unit.name == name or f'"{name}"' in (tree / unit).read_text()]
        else:
            units = [unit for unit in generated if without_comments(tree / unit) != without_comments(self.base / unit)]
        return sorted(units, key=lambda unit: (tree / unit).stat().st_size)

    def compiles_to_the_same(self, tree: Path, unit: Path) -> bool:
        """Whether an optimizing compiler makes of the C file what it makes of the unchanged one."""
        def compiled(root: Path) -> bytes:
            with tempfile.TemporaryDirectory() as place:
                subprocess.run([*shlex.split(sysconfig.get_config_var("CC")), "-O2", "-g0", "-fPIC", "-DNDEBUG", "-w",
                                "-DCYTHON_PEP489_MULTI_PHASE_INIT=1", "-I.", "-Ipgproto",
                                f"-I{sysconfig.get_path('include')}", "-c", str(unit), "-o", f"{place}/unit.o"],
                               cwd=root, env=self.environ, check=True)
                return Path(place, "unit.o").read_bytes()

        return compiled(self.base) == compiled(tree)

    def restore(self, tree: Path) -> None:
        """Give every changed file, source or built, the base's content and time; delete what the base has not."""
        def age(path: Path) -> tuple[int, int]:
            return path.stat().st_mtime_ns, path.stat().st_size

        base = {path.relative_to(self.base): age(path) for path in self.base.rglob("*") if path.is_file()}
        for path in [path for path in tree.rglob("*") if path.is_file()]:
            if path.relative_to(tree) not in base:
                path.unlink()
        for name, wanted in base.items():
            copy = tree / name
            if not copy.exists() or age(copy) != wanted:
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.base / name, copy)


def limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def without_comments(path: Path) -> str:
    """The text of a C file; Cython's comments quote the source, and its metadata at the top has no meaning."""
    text = path.read_text() if path.exists() else ""
    return C_COMMENT.sub(lambda found: found["kept"] or "", text)


def compiles(path: Path) -> bool:
    try:
        compile(path.read_text(), str(path), "exec")
    except SyntaxError:
        return False
    return True


def next_batch(count: int, mutants: list[Mutant], known: dict[str, str]) -> list[Mutant]:
    """The mutants to try now: as many as are lacking to `count` that count, in order; empty at the end."""
    valid = 0
    for at, mutant in enumerate(mutants):
        if valid == count:
            return []
        if mutant.key not in known:
            return [later for later in mutants[at:at + count - valid] if later.key not in known]
        valid += known[mutant.key] in COUNTED
    return []


def run_until(count: int, mutants: list[Mutant], known: dict[str, str], place: Path, workers: int,
              results: Path, tests: str) -> None:
    """Try mutants in order, `workers` at a time, until the first `count` of the order that count are known."""
    workshop = None
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        while batch := next_batch(count, mutants, known):
            workshop = workshop or Workshop(place, workers)
            for mutant, outcome in zip(batch, pool.map(workshop.try_one, batch), strict=True):
                known[mutant.key] = outcome
                with open(results, "a") as file:
                    file.write(json.dumps({"key": mutant.key, "outcome": outcome, "tests": tests}) + "\n")
                valid = sum(seen in COUNTED for seen in known.values())
                print(f"[{valid:3}/{count} {time.monotonic() - started:5.0f} s] {outcome:8} {mutant}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=max(1, min(4, os.cpu_count() or 1)))
    parser.add_argument("--only", default="*", help="a glob over the subject files")
    options = parser.parse_args()
    mutants = candidates(options.only, options.seed)
    if not mutants:
        raise SystemExit("no subject files")
    place = cache_dir("mutants")
    results = place / f"results-{sources_hash()}.jsonl"
    now = unit_tests()
    tests = hashlib.sha256(" ".join(sorted(now)).encode()).hexdigest()[:16]
    (place / f"tests-{tests}.json").write_text(json.dumps(sorted(now)))
    known = {}
    if results.exists():
        known = still_true(map(json.loads, results.read_text().splitlines()), now,
                           lambda number: set(json.loads((place / f"tests-{number}.json").read_text())))
    print(f"mutants: {len(mutants)} candidates in {len({m.path for m in mutants})} files, {len(known)} outcomes known",
          flush=True)
    run_until(options.count, mutants, known, place, options.workers, results, tests)
    return report(options.count, mutants, known)


def report(count: int, mutants: list[Mutant], known: dict[str, str]) -> int:
    valid = [mutant for mutant in mutants if known.get(mutant.key) in COUNTED][:count]
    survivors = sorted(mutant for mutant in valid if known[mutant.key] == "survived")
    print("\nsurvivors:" if survivors else "\nno survivors")
    for mutant in survivors:
        print(f"  {mutant}")
    caught = len(valid) - len(survivors)
    tried = mutants[:mutants.index(valid[-1]) + 1] if valid else []
    left_out = {why: sum(known.get(mutant.key) == why for mutant in tried) for why in ("invalid", "same")}
    print(f"not counted: {left_out['invalid']} that do not compile, {left_out['same']} that change nothing")
    print(f"{caught} of {len(valid)} caught ({caught / max(1, len(valid)):.1%}); the bar is {BAR:.0%}")
    return 0 if valid and caught >= BAR * len(valid) else 1


if __name__ == "__main__":
    sys.exit(main())
