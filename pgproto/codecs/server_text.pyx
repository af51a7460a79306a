"""Types as the text that the server writes and reads: what a value means is the server's to say.

A reg* is a name that the catalogue turns into a number, money is written as lc_monetary has it, a tsvector is parsed by
the server's parser. Some are only read, since the server itself refuses to read them.
"""
from libc.stdint cimport uint32_t

from pgproto.codecs.codec cimport TEXT
from pgproto.codecs.registry cimport register
from pgproto.codecs.utf8 cimport text_decode, text_encode
from pgproto.oids cimport (
    OID_ACLITEM, OID_ANY, OID_ANYARRAY, OID_ANYCOMPATIBLE, OID_ANYCOMPATIBLEARRAY, OID_ANYCOMPATIBLEMULTIRANGE,
    OID_ANYCOMPATIBLENONARRAY, OID_ANYCOMPATIBLERANGE, OID_ANYELEMENT, OID_ANYENUM, OID_ANYMULTIRANGE, OID_ANYNONARRAY,
    OID_ANYRANGE, OID_EVENT_TRIGGER, OID_FDW_HANDLER, OID_GTSVECTOR, OID_INDEX_AM_HANDLER, OID_INTERNAL,
    OID_LANGUAGE_HANDLER, OID_MONEY, OID_PG_BRIN_BLOOM_SUMMARY, OID_PG_BRIN_MINMAX_MULTI_SUMMARY, OID_PG_DDL_COMMAND,
    OID_PG_DEPENDENCIES, OID_PG_NDISTINCT, OID_PG_NODE_TREE, OID_REGCLASS, OID_REGCOLLATION, OID_REGCONFIG,
    OID_REGDICTIONARY, OID_REGNAMESPACE, OID_REGOPER, OID_REGOPERATOR, OID_REGPROC, OID_REGPROCEDURE, OID_REGROLE,
    OID_REGTYPE, OID_TABLE_AM_HANDLER, OID_TRIGGER, OID_TSM_HANDLER, OID_TSQUERY, OID_TSVECTOR,
)

cdef tuple read_and_written = (
    OID_ACLITEM, OID_MONEY, OID_REGCLASS, OID_REGCOLLATION, OID_REGCONFIG, OID_REGDICTIONARY, OID_REGNAMESPACE,
    OID_REGOPER, OID_REGOPERATOR, OID_REGPROC, OID_REGPROCEDURE, OID_REGROLE, OID_REGTYPE, OID_TSQUERY, OID_TSVECTOR,
)
# Pseudo-types among them: what such a function returns or a catalogue's column holds is sent under another type or as
# text; any* as a parameter gets its type from other arguments before it is sent.
cdef tuple only_read = (
    OID_ANYARRAY, OID_ANYCOMPATIBLEARRAY, OID_ANYCOMPATIBLEMULTIRANGE, OID_ANYCOMPATIBLERANGE, OID_ANYENUM,
    OID_ANYMULTIRANGE, OID_ANYRANGE, OID_GTSVECTOR, OID_PG_BRIN_BLOOM_SUMMARY, OID_PG_BRIN_MINMAX_MULTI_SUMMARY,
    OID_PG_DEPENDENCIES, OID_PG_NDISTINCT, OID_PG_NODE_TREE,
)
# The server has no values of these that it would send or take; they are here for their names.
cdef tuple neither = (
    OID_EVENT_TRIGGER, OID_FDW_HANDLER, OID_INDEX_AM_HANDLER, OID_INTERNAL, OID_LANGUAGE_HANDLER, OID_PG_DDL_COMMAND,
    OID_TABLE_AM_HANDLER, OID_TRIGGER, OID_TSM_HANDLER,
)
# What a literal of unknown type is cast to: the text itself.
cdef tuple any_text = (OID_ANY, OID_ANYCOMPATIBLE, OID_ANYCOMPATIBLENONARRAY, OID_ANYELEMENT, OID_ANYNONARRAY)


cdef int register_all() except -1:
    cdef uint32_t oid
    for oid in read_and_written + any_text:
        register(oid, TEXT, text_encode, text_decode, True)
    for oid in only_read:
        register(oid, TEXT, NULL, text_decode, True)
    for oid in neither:
        register(oid, TEXT, NULL, NULL, True)
    return 0


register_all()
