"""inet and cidr as the objects of ipaddress, macaddr and macaddr8 as str.

  inet, cidr: | family u8 | bits u8 | is cidr u8 | n bytes u8 | address |

An inet that has all its bits is an address, another one an interface; a cidr is a network. A macaddr is written as its
text, since the server reads spellings that we do not; its binary form serves where there is no text, as in COPY.
"""
import ipaddress

from libc.stdint cimport uint8_t

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from pgproto.codecs.codec cimport BINARY, TEXT, Codec
from pgproto.codecs.registry cimport prefer, register
from pgproto.codecs.scan cimport refused, shown
from pgproto.codecs.utf8 cimport text_decode, text_encode
from pgproto.oids cimport OID_CIDR, OID_INET, OID_MACADDR, OID_MACADDR8
from pgproto.wire cimport Slice, take_byte, take_end, take_slice
from pgproto.write_buffer cimport WriteBuffer

from pgproto.errors import MalformedBody, shown as shown_value

cdef enum:
    # The server's own numbers, the same on every platform.
    FAMILY_4 = 2
    FAMILY_6 = 3
    TEXT_MAX = 64           # an address in any spelling is shorter

cdef object Address4 = ipaddress.IPv4Address
cdef object Address6 = ipaddress.IPv6Address
cdef object Interface4 = ipaddress.IPv4Interface
cdef object Interface6 = ipaddress.IPv6Interface
cdef object Network4 = ipaddress.IPv4Network
cdef object Network6 = ipaddress.IPv6Network
cdef object networks = (ipaddress.IPv4Network, ipaddress.IPv6Network)
cdef object interface_of = ipaddress.ip_interface
cdef object network_of = ipaddress.ip_network


cdef int put_address(WriteBuffer out, object address, int n_bits, bint is_cidr) except -1:
    cdef bytes packed = address.packed
    out.put_byte(FAMILY_4 if PyBytes_GET_SIZE(packed) == 4 else FAMILY_6)
    out.put_byte(<uint8_t>n_bits)
    out.put_byte(is_cidr)
    out.put_byte(<uint8_t>PyBytes_GET_SIZE(packed))
    return out.put_bytes(PyBytes_AS_STRING(packed), PyBytes_GET_SIZE(packed))


cdef tuple inet_parts(object value):
    """The address and the bits of an inet, of anything that `ipaddress.ip_interface` knows, or of a network."""
    if isinstance(value, networks):
        return value.network_address, value.prefixlen
    interface = interface_of(value)
    return interface.ip, interface.network.prefixlen


cdef int inet_encode(Codec codec, WriteBuffer out, object value) except -1:
    address, n_bits = inet_parts(value)
    return put_address(out, address, n_bits, False)


cdef int inet_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    address, n_bits = inet_parts(value)
    # A scope, which the server does not know, is no part of `packed`.
    return out.put_text(f"{type(address)(address.packed)}/{n_bits}")


cdef int cidr_encode(Codec codec, WriteBuffer out, object value) except -1:
    network = network_of(value)
    return put_address(out, network.network_address, network.prefixlen, True)


cdef int cidr_text_encode(Codec codec, WriteBuffer out, object value) except -1:
    return out.put_text(str(network_of(value)))


cdef object take_address(Codec codec, Slice body, int *n_bits, int *n_bits_max):
    """The address as an int, with its bits and how many there can be."""
    cdef int family = take_byte(&body)
    cdef int n
    n_bits[0] = take_byte(&body)
    take_byte(&body)        # is cidr: the type says it
    n = take_byte(&body)
    if not (family == FAMILY_4 and n == 4) and not (family == FAMILY_6 and n == 16):
        raise MalformedBody(f"{codec.name}: an address of 4 or 16 bytes was expected, got family {family}, {n} bytes")
    if n_bits[0] > n * 8:
        raise MalformedBody(f"{codec.name}: up to {n * 8} bits were expected, got {n_bits[0]}")
    cdef Slice address = take_slice(&body, n)
    take_end(&body)
    n_bits_max[0] = n * 8
    return int.from_bytes(address.at[:n], "big")


cdef object inet_decode(Codec codec, Slice body):
    cdef int n_bits = 0, n_bits_max = 0
    number = take_address(codec, body, &n_bits, &n_bits_max)
    if n_bits == n_bits_max:
        return Address4(number) if n_bits_max == 32 else Address6(number)
    return Interface4((number, n_bits)) if n_bits_max == 32 else Interface6((number, n_bits))


cdef object cidr_decode(Codec codec, Slice body):
    cdef int n_bits = 0, n_bits_max = 0
    number = take_address(codec, body, &n_bits, &n_bits_max)
    try:
        return Network4((number, n_bits)) if n_bits_max == 32 else Network6((number, n_bits))
    except ValueError as error:
        raise MalformedBody(f"{codec.name}: {error}") from error


cdef str ascii_of(Codec codec, Slice body):
    if body.n > TEXT_MAX:
        raise refused(codec.name, "an address", body)
    return shown(body)


cdef object inet_text_decode(Codec codec, Slice body):
    text = ascii_of(codec, body)
    try:
        interface = interface_of(text)
    except ValueError as error:
        raise MalformedBody(f"{codec.name}: {error}") from error
    return interface.ip if interface.network.prefixlen == interface.max_prefixlen else interface


cdef object cidr_text_decode(Codec codec, Slice body):
    text = ascii_of(codec, body)
    try:
        return network_of(text)
    except ValueError as error:
        raise MalformedBody(f"{codec.name}: {error}") from error


cdef inline int hex_value(int byte) noexcept:
    if 48 <= byte <= 57:
        return byte - 48
    byte |= 0x20
    return byte - 87 if 97 <= byte <= 102 else -1


cdef int mac_length(Codec codec) noexcept:
    return 6 if codec.oid == OID_MACADDR else 8


cdef int macaddr_encode(Codec codec, WriteBuffer out, object value) except -1:
    """Write the hex digits of a text, whatever separates them; 6 bytes are made 8 as the server does, by ff:fe."""
    cdef WriteBuffer text = WriteBuffer()
    cdef uint8_t address[8]
    cdef int n = 0, digit
    cdef Py_ssize_t i
    cdef int wanted = mac_length(codec)
    text_encode(codec, text, value)
    for i in range(text.length):
        if text.start[i] in b":-. ":
            continue
        digit = hex_value(<unsigned char>text.start[i])
        if digit < 0 or n == 2 * wanted:
            raise ValueError(f"{2 * wanted} hex digits were expected, got {shown_value(value)}")
        address[n // 2] = <uint8_t>(digit if n % 2 == 0 else address[n // 2] << 4 | digit)
        n += 1
    if n == 12 and wanted == 8:
        out.put_bytes(<char *>address, 3)
        out.put_bytes(b"\xff\xfe", 2)
        return out.put_bytes(<char *>address + 3, 3)
    if n != 2 * wanted:
        raise ValueError(f"{2 * wanted} hex digits were expected, got {shown_value(value)}")
    return out.put_bytes(<char *>address, wanted)


cdef object macaddr_decode(Codec codec, Slice body):
    cdef Slice address = take_slice(&body, mac_length(codec))
    take_end(&body)
    return address.at[:address.n].hex(":")


# An interface and a network have a __dict__, in which anybody may put anything: they are no leaves.
register(OID_INET, TEXT, inet_text_encode, inet_text_decode)
register(OID_INET, BINARY, inet_encode, inet_decode)
register(OID_CIDR, TEXT, cidr_text_encode, cidr_text_decode)
register(OID_CIDR, BINARY, cidr_encode, cidr_decode)
register(OID_MACADDR, TEXT, text_encode, text_decode, True)
register(OID_MACADDR, BINARY, macaddr_encode, macaddr_decode, True)
prefer(OID_MACADDR, TEXT)
register(OID_MACADDR8, TEXT, text_encode, text_decode, True)
register(OID_MACADDR8, BINARY, macaddr_encode, macaddr_decode, True)
prefer(OID_MACADDR8, TEXT)
