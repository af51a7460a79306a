"""Results as columns: DataRows decoded straight into the buffers of Arrow arrays, without a Python object per value.

`plan` says what a column of each type becomes, `builder` has the memory, `scalars`, `numbers` and `nested` read values
into it, `sink` feeds it row by row, `result` hands it over through Arrow's C data interface.
"""
