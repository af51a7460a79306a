"""A program frozen by PyInstaller, with no flag that names a module (story 33)."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("PyInstaller", reason="missing feature: PyInstaller")

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = """
import asyncio
import sys

import asyncpg_core


async def main():
    connection = await asyncpg_core.connect(sys.argv[1])
    await connection.execute("create type pair as (a int, b text)")
    row = await connection.fetchrow(
        "select $1::int, $2::uuid, $3::numeric, $4::inet, $5::interval, $6::jsonb, (1, 'x')::pair, now()",
        7, "12345678-1234-5678-1234-567812345678", "1.5", "10.0.0.1", __import__("datetime").timedelta(1), {"a": 1})
    await connection.close()
    async with asyncpg_core.create_pool(sys.argv[1], max_size=2) as pool:
        assert await pool.fetchval("select 1") == 1
    asyncpg_core.install_as_asyncpg()
    import asyncpg
    print("frozen", getattr(sys, "frozen", False), tuple(row)[:4], row[5], asyncpg.__version__)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """The directory of a bundle; the distribution's metadata is beside the modules, as where it is installed."""
    directory = tmp_path_factory.mktemp("frozen")
    (directory / "program.py").write_text(PROGRAM)
    subprocess.run([sys.executable, "setup.py", "-q", "dist_info", "--output-dir", str(directory)], cwd=ROOT,
                   check=True)
    environ = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(directory)])}
    subprocess.run([sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "ERROR", "program.py"],
                   cwd=directory, env=environ, check=True, timeout=400)
    return directory / "dist" / "program"


@pytest.mark.timeout(500)
def test_a_frozen_program_uses_types_pools_and_the_other_name(bundle, dsn):
    # Nothing of this Python or of these sources may help the program.
    done = subprocess.run([str(bundle / "program"), dsn], cwd="/", env={"PATH": os.defpath}, timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("frozen True (7, UUID('12345678-1234-5678-1234-567812345678'), Decimal('1.5'), ")
    assert "0.32.0" in done.stdout
