import ipaddress

from tests.types.tables import Refused, Row

A = ipaddress.ip_address
I = ipaddress.ip_interface  # noqa: E741
N = ipaddress.ip_network

ROWS = [
    Row("inet", A("192.168.0.1"), "192.168.0.1",
        also=("192.168.0.1", 0xC0A80001, b"\xc0\xa8\x00\x01", N("192.168.0.1"))),
    Row("inet", A("0.0.0.0"), "0.0.0.0"),
    Row("inet", A("192.168.0.1"), "192.168.0.1/32", "192.168.0.1"),
    Row("inet", I("192.168.0.1/24"), "192.168.0.1/24", also=("192.168.0.1/255.255.255.0",)),
    Row("inet", I("10.0.0.0/8"), "10.0.0.0/8", also=(N("10.0.0.0/8"),)),
    Row("inet", I("1.2.3.4/0"), "1.2.3.4/0"),
    Row("inet", A("::1"), "::1"),
    Row("inet", A("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    Row("inet", A("::ffff:1.2.3.4"), "::ffff:1.2.3.4"),
    Row("inet", I("2001:db8::1/64"), "2001:db8::1/64"),
    Row("cidr", N("192.168.0.0/24"), "192.168.0.0/24", also=("192.168.0.0/24", I("192.168.0.0/24"))),
    Row("cidr", N("192.168.0.1"), "192.168.0.1/32", also=(A("192.168.0.1"), 0xC0A80001)),
    Row("cidr", N("0.0.0.0/0"), "0.0.0.0/0"),
    Row("cidr", N("2001:db8::/32"), "2001:db8::/32"),
    Row("cidr", N("::1"), "::1/128"),
    Row("macaddr", "08:00:2b:01:02:03", "08:00:2b:01:02:03", also=("08-00-2B-01-02-03", "0800.2b01.0203")),
    Row("macaddr8", "08:00:2b:01:02:03:04:05", "08:00:2b:01:02:03:04:05"),
    Row("macaddr8", "08:00:2b:ff:fe:01:02:03", "08:00:2b:01:02:03", "08:00:2b:ff:fe:01:02:03",
        also=("08:00:2b:01:02:03",)),
]
REFUSED = [
    Refused("inet", "bad", "does not appear to be an IPv4 or IPv6 interface"),
    Refused("inet", 1.5, "does not appear to be an IPv4 or IPv6 interface"),
    Refused("cidr", "192.168.0.1/24", "has host bits set"),
    Refused("cidr", I("192.168.0.1/24"), "has host bits set"),
    Refused("macaddr", 5, "expected str, got int"),
]
