"""Placeholder until the generated tree lands."""
class InterfaceError(Exception): pass
class ProtocolError(Exception): pass
class MalformedBody(ValueError): pass
class DecodeError(InterfaceError, ValueError): pass
class OutOfRange(DecodeError, OverflowError): pass
