"""Text in another encoding than UTF-8: that of a session whose client_encoding was changed.

The hot paths know UTF-8 alone. Text that is ASCII is the same in every encoding that a client can have, so only what is
not asks here. A writer has its encoding in its buffer; a reader has none, because codecs belong to no session: whoever
reads for a session says so by `read_as`, for its own thread, and takes it back before it returns.

https://www.postgresql.org/docs/current/multibyte.html
"""
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_Decode

from pgproto.wire cimport slice_of


cdef extern from *:
    """
    #if defined(_MSC_VER)
    static __declspec(thread) PyObject *apc_reading;
    #else
    static __thread PyObject *apc_reading;
    #endif
    """
    PyObject *reading_now "apc_reading"         # of this thread; whoever has set it holds it

# As the server reports them; not those that Python does not know (EUC_TW, MULE_INTERNAL) or in which it takes ASCII for
# something else (SHIFT_JIS_2004).
cdef dict codecs = {
    "BIG5": "big5", "EUC_CN": "gb2312", "EUC_JIS_2004": "euc_jis_2004", "EUC_JP": "euc_jp", "EUC_KR": "cp949",
    "GB18030": "gb18030", "GBK": "gbk", "ISO_8859_5": "iso8859_5", "ISO_8859_6": "iso8859_6",
    "ISO_8859_7": "iso8859_7", "ISO_8859_8": "iso8859_8", "JOHAB": "johab", "KOI8R": "koi8_r", "KOI8U": "koi8_u",
    "LATIN1": "latin_1", "LATIN2": "iso8859_2", "LATIN3": "iso8859_3", "LATIN4": "iso8859_4", "LATIN5": "iso8859_9",
    "LATIN6": "iso8859_10", "LATIN7": "iso8859_13", "LATIN8": "iso8859_14", "LATIN9": "iso8859_15",
    "LATIN10": "iso8859_16", "SJIS": "cp932", "UHC": "cp949", "WIN866": "cp866", "WIN874": "cp874",
    "WIN1250": "cp1250", "WIN1251": "cp1251", "WIN1252": "cp1252", "WIN1253": "cp1253", "WIN1254": "cp1254",
    "WIN1255": "cp1255", "WIN1256": "cp1256", "WIN1257": "cp1257", "WIN1258": "cp1258",
}
# The characters for which Python has other ones than the server: Python's, the server's.
cdef dict differences = {
    "BIG5": ("\u02cd\u2574\uffe3", "\ufffd\ufffd\ufffd"),
    "EUC_JIS_2004": ("\uffe3\u2015\uffe5\u2985\u2986", "\u203e\u2014\xa5\uff5f\uff60"),
    "EUC_JP": ("\u301c\u2016\u2212\xa2\xa3\xac\xa6", "\uff5e\u2225\uff0d\uffe0\uffe1\uffe2\uffe4"),
}
# SQL_ASCII converts nothing: its bytes are taken for UTF-8, and so are those of a peer that says nothing.
cdef dict known = {"utf8": None, "unicode": None, "sqlascii": None, "": None}
cdef dict names = {}


@cython.final
cdef class Encoding:
    def __cinit__(self, str name not None, str codec):
        self.name = name
        self.codec = codec
        if name in differences:
            ours, theirs = differences[name]
            self.from_server = str.maketrans(ours, theirs)
            self.to_server = str.maketrans(theirs, ours)

    def __repr__(self):
        return f"<Encoding {self.name}>"

    cdef bytes bytes_of(self, str text):
        """The bytes of a text; UnicodeError if the encoding has not all of its characters or is not known."""
        cdef bytes encoded
        if self.codec is None:
            self.refuse_beyond_ascii(text)
            return text.encode()
        encoded = (text if self.to_server is None else text.translate(self.to_server)).encode(self.codec)
        # Some of Python's codecs write what looks like a character for it.
        if self.str_of(slice_of(PyBytes_AS_STRING(encoded), PyBytes_GET_SIZE(encoded)), "replace") != text:
            raise UnicodeError(f"{self.name} has not all characters of the text")
        return encoded

    cdef str str_of(self, Slice part, const char *errors):
        """The text of bytes; `errors` as in bytes.decode, or NULL."""
        cdef str text
        if self.codec is None:
            text = PyUnicode_Decode(<char *>part.at, part.n, "ascii", "replace")
            if errors == NULL:
                self.refuse_beyond_ascii(text)
            return text
        codec = self.codec.encode()
        text = PyUnicode_Decode(<char *>part.at, part.n, codec, errors)
        return text if self.from_server is None else text.translate(self.from_server)

    cdef int refuse_beyond_ascii(self, str text) except -1:
        if not text.isascii():
            raise UnicodeError(f"client_encoding is {self.name}, of which only ASCII can be read and written: "
                               "SET client_encoding TO UTF8")
        return 0


cdef Encoding encoding_of(str name):
    """Return what the server calls `name`; None for UTF-8 and for what converts nothing."""
    cdef str plain = plain_name(name)
    if plain not in known:
        if plain not in names:
            return Encoding(name[:63], None)
        known[plain] = Encoding(names[plain], codecs[names[plain]])
    return known[plain]


cdef str plain_name(str name):
    """What counts of an encoding's name; poolers and servers of other makes write it in their own ways."""
    return "".join([c for c in name.lower() if c.isalnum()])


names.update({plain_name(name): name for name in codecs})


cdef Encoding reading():
    """The encoding in which this thread reads at present; None for UTF-8."""
    return None if reading_now == NULL else <Encoding>reading_now


cdef int read_as(Encoding encoding) except -1:
    """Read in another encoding from now on, until `read_as(None)`; the caller holds it so long."""
    global reading_now, any_other
    if encoding is None:
        reading_now = NULL
    else:
        any_other = True
        reading_now = <PyObject *>encoding
    return 0


cdef bytes as_utf8(Slice part):
    """The same text in UTF-8."""
    cdef Encoding encoding = reading()
    if encoding is None:
        return PyBytes_FromStringAndSize(part.at, part.n)
    return encoding.str_of(part, NULL).encode()


def known_encodings():
    """The encodings that can be read and written, by the server's names, with Python's; for tests."""
    return dict(codecs)
