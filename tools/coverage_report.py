"""Lines of pgproto that the unit tests reach, .pyx included, in a copy built for tracing; fails below the bar.

The bar is `fail_under` in pyproject.toml. The hand-written C module is not counted.
"""
import subprocess
import sys

from tools.scratch import cache_dir, environment, fresh_copy


def main() -> int:
    tree = fresh_copy(cache_dir("coverage") / "tree")
    print(f"coverage: building for tracing in {tree}", flush=True)
    subprocess.run([sys.executable, "setup.py", "-q", "build_ext", "--inplace"], cwd=tree, check=True,
                   env=environment(ASYNCPG_CORE_TRACE="1"))
    # Cython's plugin gets its lines from the C tracer alone; 3.14 would choose sys.monitoring.
    traced = environment(COVERAGE_CORE="ctrace", HYPOTHESIS_PROFILE="repeatable", PYTHONPATH=str(tree))
    tests = subprocess.run([sys.executable, "-m", "coverage", "run", "-m", "pytest", "-q", "-p", "no:cacheprovider",
                            "-p", "tools.import_extensions",
                            "tests/unit", *sys.argv[1:]], cwd=tree, env=traced)
    if tests.returncode:
        return tests.returncode
    return subprocess.run([sys.executable, "-m", "coverage", "report"], cwd=tree, env=traced).returncode


if __name__ == "__main__":
    sys.exit(main())
