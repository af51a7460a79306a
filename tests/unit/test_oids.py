"""The generated OIDs: up to date, and consistent with each other."""
from pgproto import oids
from tools import generate_oids

TYPES = generate_oids.read_types(generate_oids.SOURCE.read_text())


def test_generated_files_are_up_to_date():
    assert generate_oids.generate_python(TYPES) == generate_oids.PYTHON_TARGET.read_text()
    assert generate_oids.generate_cython(TYPES) == generate_oids.CYTHON_TARGET.read_text()


def test_every_type_has_a_constant_of_its_own():
    constants = {name: value for name, value in vars(oids).items() if name.startswith("OID_") and name != "OID_OF"}
    assert len(constants) == len(TYPES) == len(oids.NAME_OF) == len(oids.OID_OF)
    assert set(constants.values()) == set(oids.NAME_OF) == set(oids.TYPTYPE_OF)


def test_partners_are_known_types_of_the_right_kind():
    for element, array in oids.ARRAY_OF.items():
        assert oids.NAME_OF[array].startswith("_")
        assert oids.ELEMENT_OF[array] == element
    for range_oid, subtype in oids.RANGE_SUBTYPE.items():
        assert oids.TYPTYPE_OF[range_oid] == "r"
        assert subtype in oids.NAME_OF
    assert set(oids.MULTIRANGE_RANGE.values()) == set(oids.RANGE_SUBTYPE)
    assert {oid for oid, kind in oids.TYPTYPE_OF.items() if kind == "m"} == set(oids.MULTIRANGE_RANGE)
    assert set(oids.SQL_ALIASES.values()) <= set(oids.OID_OF)
    assert not set(oids.SQL_ALIASES) & set(oids.OID_OF)


def test_well_known_oids():
    assert (oids.OID_BOOL, oids.OID_INT4, oids.OID_TEXT, oids.OID_JSONB, oids.OID_UUID) == (16, 23, 25, 3802, 2950)
    assert (oids.OID_INT4_ARRAY, oids.OID_INT4RANGE, oids.OID_INT4MULTIRANGE) == (1007, 3904, 4451)
    assert oids.ARRAY_OF[oids.OID_TEXT] == 1009
    assert oids.DELIMITER_OF == {oids.OID_BOX: ";", oids.OID_BOX_ARRAY: ";"}
    assert oids.OID_INT2VECTOR not in oids.ELEMENT_OF
