"""A pytest plugin that imports every extension module of pgproto: one without tests then counts as not covered."""
import glob
import importlib

for source in sorted(glob.glob("pgproto/**/*.pyx", recursive=True)):
    importlib.import_module(source[:-len(".pyx")].replace("/", "."))
