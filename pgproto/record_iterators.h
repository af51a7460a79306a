/* The types RecordIterator and RecordItemsIterator: part of record.c, which alone includes this file.
 * It uses names_of and value_at from there. */
static PyTypeObject RecordIterator_Type;
static PyTypeObject RecordItemsIterator_Type;

#if PY_VERSION_HEX < 0x030D0000
/* Before 3.13 there is always a GIL. */
#define Py_BEGIN_CRITICAL_SECTION(op) {
#define Py_END_CRITICAL_SECTION() }
#endif

typedef struct {
    PyObject_HEAD
    Py_ssize_t next;
    PyObject *row; /* NULL once exhausted */
} RecordIteratorObject;

static PyObject *iterator_over(PyTypeObject *type, PyObject *row)
{
    RecordIteratorObject *iterator = PyObject_GC_New(RecordIteratorObject, type);
    if (iterator == NULL) {
        return NULL;
    }
    iterator->next = 0;
    iterator->row = Py_NewRef(row);
    PyObject_GC_Track(iterator);
    return (PyObject *)iterator;
}

static void iterator_dealloc(RecordIteratorObject *self)
{
    PyObject_GC_UnTrack(self);
    Py_XDECREF(self->row);
    PyObject_GC_Del(self);
}

static int iterator_traverse(RecordIteratorObject *self, visitproc visit, void *arg)
{
    Py_VISIT(self->row);
    return 0;
}

/* Take the next position: return it with a new reference to the row, or -1 at the end. */
static Py_ssize_t iterator_advance(RecordIteratorObject *self, PyObject **row)
{
    Py_ssize_t position = -1;
    PyObject *finished = NULL;
    Py_BEGIN_CRITICAL_SECTION(self);
    if (self->row != NULL) {
        if (self->next < Py_SIZE(self->row)) {
            position = self->next++;
            *row = Py_NewRef(self->row);
        }
        else {
            finished = self->row;
            self->row = NULL;
        }
    }
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(finished);
    return position;
}

static PyObject *iterator_next_value(RecordIteratorObject *self)
{
    PyObject *row, *value = NULL;
    Py_ssize_t position = iterator_advance(self, &row);
    if (position >= 0) {
        value = Py_XNewRef(value_at(row, position));
        Py_DECREF(row);
    }
    return value;
}

static PyObject *iterator_next_item(RecordIteratorObject *self)
{
    PyObject *row, *item = NULL;
    Py_ssize_t position = iterator_advance(self, &row);
    if (position >= 0) {
        PyObject *value = value_at(row, position);
        if (value != NULL) {
            item = PyTuple_Pack(2, PyTuple_GET_ITEM(names_of(row), position), value);
        }
        Py_DECREF(row);
    }
    return item;
}

static PyObject *iterator_length_hint(RecordIteratorObject *self, PyObject *Py_UNUSED(ignored))
{
    Py_ssize_t left = 0;
    Py_BEGIN_CRITICAL_SECTION(self);
    if (self->row != NULL) {
        left = Py_SIZE(self->row) - self->next;
    }
    Py_END_CRITICAL_SECTION();
    return PyLong_FromSsize_t(left);
}

static PyMethodDef iterator_methods[] = {
    {"__length_hint__", (PyCFunction)iterator_length_hint, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

#define ITERATOR_TYPE(name, doc, next)                        \
    {                                                         \
        PyVarObject_HEAD_INIT(NULL, 0)                        \
        .tp_name = MODULE_NAME "." name,                      \
        .tp_basicsize = sizeof(RecordIteratorObject),         \
        .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,  \
        .tp_doc = PyDoc_STR(doc),                             \
        .tp_dealloc = (destructor)iterator_dealloc,           \
        .tp_traverse = (traverseproc)iterator_traverse,       \
        .tp_iter = PyObject_SelfIter,                         \
        .tp_iternext = (iternextfunc)next,                    \
        .tp_methods = iterator_methods,                       \
    }

static PyTypeObject RecordIterator_Type =
    ITERATOR_TYPE("RecordIterator", "The values of a record, in column order.", iterator_next_value);
static PyTypeObject RecordItemsIterator_Type =
    ITERATOR_TYPE("RecordItemsIterator", "The (name, value) pairs of a record, in column order.", iterator_next_item);
