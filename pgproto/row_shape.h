/* The type RowShape: part of record.c, which alone includes this file. Its struct is in record.h. */
static PyTypeObject RowShape_Type;

/* Where an interned str is immortal, names made up by queries would pile up for ever; there a lookup compares bytes
 * instead of addresses. */
#if (PY_VERSION_HEX >= 0x030C0000 && PY_VERSION_HEX < 0x030D0000) || defined(Py_GIL_DISABLED)
#define INTERN_NAMES 0
#else
#define INTERN_NAMES 1
#endif

/* A new tuple of exact str. Exactness keeps shapes out of cycles, and lookups out of foreign __eq__. */
static PyObject *names_tuple(PyObject *iterable)
{
    if (PyUnicode_Check(iterable)) {
        PyErr_SetString(PyExc_TypeError, "names must be an iterable of str, not a single str");
        return NULL;
    }
    PyObject *given = PySequence_Tuple(iterable);
    if (given == NULL) {
        return NULL;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(given);
    PyObject *names = PyTuple_New(n);
    for (Py_ssize_t i = 0; names != NULL && i < n; i++) {
        PyObject *name = PyTuple_GET_ITEM(given, i);
        if (!PyUnicode_Check(name)) {
            PyErr_Format(PyExc_TypeError, "column name %zd must be str, got %.200s", i, Py_TYPE(name)->tp_name);
            Py_CLEAR(names);
            break;
        }
        name = PyUnicode_FromObject(name); /* itself, or the exact str of an instance of a subclass */
        if (name == NULL) {
            Py_CLEAR(names);
            break;
        }
#if INTERN_NAMES
        PyUnicode_InternInPlace(&name);
#endif
        PyTuple_SET_ITEM(names, i, name);
    }
    Py_DECREF(given);
    return names;
}

/* Fill `positions`; return the duplicates, each once, as a new tuple. */
static PyObject *number_names(PyObject *names, PyObject *positions)
{
    PyObject *repeated = PyDict_New(); /* a dict as an ordered set: 32,767 columns stay linear */
    if (repeated == NULL) {
        return NULL;
    }
    PyObject *duplicates = NULL;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i);
        int seen = PyDict_Contains(positions, name);
        if (seen < 0 || (seen && PyDict_SetItem(repeated, name, Py_None) < 0)) {
            goto done;
        }
        PyObject *position = PyLong_FromSsize_t(i);
        if (position == NULL) {
            goto done;
        }
        int failed = PyDict_SetItem(positions, name, position);
        Py_DECREF(position);
        if (failed) {
            goto done;
        }
    }
    duplicates = PySequence_Tuple(repeated);
done:
    Py_DECREF(repeated);
    return duplicates;
}

static PyObject *row_shape_from_names(PyObject *iterable)
{
    RowShapeObject *shape = PyObject_New(RowShapeObject, &RowShape_Type);
    if (shape == NULL) {
        return NULL;
    }
    shape->positions = shape->duplicates = NULL;
    shape->names = names_tuple(iterable);
    if (shape->names != NULL && (shape->positions = PyDict_New()) != NULL) {
        shape->duplicates = number_names(shape->names, shape->positions);
    }
    if (shape->duplicates == NULL) {
        Py_DECREF(shape);
        return NULL;
    }
    return (PyObject *)shape;
}

static PyObject *row_shape_new(PyTypeObject *Py_UNUSED(type), PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"names", NULL};
    PyObject *names;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:RowShape", keywords, &names)) {
        return NULL;
    }
    return row_shape_from_names(names);
}

static void row_shape_dealloc(RowShapeObject *self)
{
    Py_XDECREF(self->names);
    Py_XDECREF(self->positions);
    Py_XDECREF(self->duplicates);
    PyObject_Free(self);
}

static Py_ssize_t row_shape_length(RowShapeObject *self)
{
    return PyTuple_GET_SIZE(self->names);
}

static PyObject *row_shape_repr(RowShapeObject *self)
{
    return PyUnicode_FromFormat("RowShape(%R)", self->names);
}

static PyObject *row_shape_reduce(RowShapeObject *self, PyObject *Py_UNUSED(ignored))
{
    return Py_BuildValue("O(O)", (PyObject *)&RowShape_Type, self->names);
}

static PyObject *row_shape_copy(PyObject *self, PyObject *Py_UNUSED(memo))
{
    return Py_NewRef(self);
}

static PyMethodDef row_shape_methods[] = {
    {"__reduce__", (PyCFunction)row_shape_reduce, METH_NOARGS, NULL},
    {"__copy__", row_shape_copy, METH_NOARGS, NULL},
    {"__deepcopy__", row_shape_copy, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef row_shape_members[] = {
    {"names", T_OBJECT_EX, offsetof(RowShapeObject, names), READONLY, "The column names, in result order."},
    {"duplicates", T_OBJECT_EX, offsetof(RowShapeObject, duplicates), READONLY,
     "The names that occur more than once; by name, a record shows the last of such columns."},
    {NULL, 0, 0, 0, NULL},
};

static PySequenceMethods row_shape_as_sequence = {.sq_length = (lenfunc)row_shape_length};

static PyTypeObject RowShape_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = MODULE_NAME ".RowShape",
    .tp_basicsize = sizeof(RowShapeObject),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = PyDoc_STR("RowShape(names)\n--\n\nThe names of a row's columns, shared by all rows of a result."),
    .tp_new = row_shape_new,
    .tp_dealloc = (destructor)row_shape_dealloc,
    .tp_repr = (reprfunc)row_shape_repr,
    .tp_as_sequence = &row_shape_as_sequence,
    .tp_methods = row_shape_methods,
    .tp_members = row_shape_members,
};
