/* Rows. A Record is one allocation: a pointer to the shape it shares with its siblings, then its values inline.
 *
 * The one idea: a Record has room for the collector's header but enters the collector only if somebody asks
 * (record_track). A row of numbers and strings cannot be part of a cycle, and a million rows that the collector never
 * walks cost a third of a million that it does (3.11). So every dealloc untracks whether or not the row was tracked.
 *
 * There is no free list: it saves 5 of the 38 ns that making and dropping a row of seven takes and nothing where rows
 * are kept (3.11, 2 vCPU), and it would hide a use after free from the sanitizers.
 *
 * The types are static: a row then holds no reference to its type, which matters where there is no GIL. A static type
 * belongs to one interpreter, so the module refuses to be loaded by a second one, or under a second name.
 *
 * How decoders make rows is in record.h. No column types, no protocol here.
 */
#define PY_SSIZE_T_CLEAN
#define PGPROTO_RECORD_MODULE
#include <Python.h>
#include <stddef.h>
#include <structmember.h>

#include "record.h"

#define MODULE_NAME "pgproto.record"

#include "row_shape.h"

static PyTypeObject Record_Type;

#include "leaf_record.h"

/* ------------------------------------------------------------------------------------------ Record: life and memory */

static inline PyObject *names_of(PyObject *row)
{
    return ((RowShapeObject *)((RecordObject *)row)->shape)->names;
}

static int refuse_shape(PyObject *shape, Py_ssize_t n)
{
    if (Py_TYPE(shape) != &RowShape_Type) {
        PyErr_Format(PyExc_TypeError, "shape must be a RowShape, got %.200s", Py_TYPE(shape)->tp_name);
    }
    else {
        PyErr_Format(PyExc_ValueError, "a row of this shape has %zd values, got %zd",
                     row_shape_length((RowShapeObject *)shape), n);
    }
    return -1;
}

static inline int check_shape(PyObject *shape, Py_ssize_t n)
{
    const int is_fit = Py_TYPE(shape) == &RowShape_Type && row_shape_length((RowShapeObject *)shape) == n;
    return is_fit ? 0 : refuse_shape(shape, n);
}

static inline PyObject *finish_record(RecordObject *row, PyObject *shape, Py_ssize_t n)
{
    /* Volatile keeps compilers from making a call of memset() of it, which costs more than a few columns. */
    for (PyObject *volatile *slot = row->values; slot < row->values + n; slot++) {
        *slot = NULL;
    }
    row->shape = Py_NewRef(shape);
    return (PyObject *)row;
}

static PyObject *new_record(PyTypeObject *type, PyObject *shape, Py_ssize_t n)
{
    RecordObject *row;
    if (check_shape(shape, n) < 0) {
        return NULL;
    }
    if (type == &Record_Type) {
        row = PyObject_GC_NewVar(RecordObject, &Record_Type, n);
        return row == NULL ? NULL : finish_record(row, shape, n);
    }
    if (!PyType_IsSubtype(type, &Record_Type)) {
        PyErr_Format(PyExc_TypeError, "a row's class must be Record or a subclass, got %.200s", type->tp_name);
        return NULL;
    }
    /* Only tp_alloc knows where an instance of a subclass keeps its __dict__. It tracks what it returns. */
    row = (RecordObject *)type->tp_alloc(type, n);
    if (row == NULL) {
        return NULL;
    }
    PyObject_GC_UnTrack(row);
    row->shape = Py_NewRef(shape);
    return (PyObject *)row;
}

static PyObject *new_leaf_record(PyObject *shape, Py_ssize_t n)
{
    if (!leaves_are_in_place) {
        return new_record(&Record_Type, shape, n);
    }
    if (check_shape(shape, n) < 0) {
        return NULL;
    }
    RecordObject *row = allocate_leaf_record(n);
    return row == NULL ? NULL : finish_record(row, shape, n);
}

static void track(PyObject *row)
{
    if (!PyObject_GC_IsTracked(row)) {
        PyObject_GC_Track(row);
    }
}

static inline void release_values(RecordObject *self)
{
    for (Py_ssize_t i = Py_SIZE(self); --i >= 0;) {
        Py_XDECREF(self->values[i]);
    }
    Py_XDECREF(self->shape);
}

static void record_dealloc(RecordObject *self)
{
    if (is_leaf_record(self)) {
        release_values(self);
        free_leaf_record(self);
        return;
    }
    /* Does nothing to a row that is not tracked. A subclass's dealloc tracks the row before it calls this one. */
    PyObject_GC_UnTrack(self);
    Py_TRASHCAN_BEGIN(self, record_dealloc)
    release_values(self);
    Py_TYPE(self)->tp_free((PyObject *)self);
    Py_TRASHCAN_END
}

/* The shape is not visited: it is not a collector's object. There is no tp_clear, as for a tuple: a row is filled with
 * objects that are older than itself, so a cycle passes through something that can be changed, and is cut there. */
static int record_traverse(RecordObject *self, visitproc visit, void *arg)
{
    for (Py_ssize_t i = Py_SIZE(self); --i >= 0;) {
        Py_VISIT(self->values[i]);
    }
    return 0;
}

static PyObject *record_tp_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    PyErr_Format(PyExc_TypeError, "cannot create '%.200s' instances", type->tp_name);
    return NULL;
}

/* --------------------------------------------------------------------------------------------------- Record: values */

/* Borrowed. An empty slot means that a row was shown before it was complete. */
static inline PyObject *value_at(PyObject *row, Py_ssize_t i)
{
    PyObject *value = Record_GET_ITEM(row, i);
    if (value == NULL) {
        PyErr_Format(PyExc_SystemError, "value %zd of a record with %zd columns was never set", i, Py_SIZE(row));
    }
    return value;
}

static PyObject *values_slice(PyObject *row, Py_ssize_t start, Py_ssize_t step, Py_ssize_t n)
{
    PyObject *values = PyTuple_New(n);
    for (Py_ssize_t i = 0; values != NULL && i < n; i++) {
        PyObject *value = value_at(row, start + i * step);
        if (value == NULL) {
            Py_CLEAR(values);
            break;
        }
        PyTuple_SET_ITEM(values, i, Py_NewRef(value));
    }
    return values;
}

/* The position of the column of this name; -1 if there is none, -2 with an exception set if looking failed. */
static Py_ssize_t position_of(PyObject *row, PyObject *key)
{
    PyObject *positions = ((RowShapeObject *)((RecordObject *)row)->shape)->positions;
    PyObject *position = PyDict_GetItemWithError(positions, key); /* borrowed from a dict that nobody changes */
    if (position != NULL) {
        return PyLong_AsSsize_t(position);
    }
    if (!PyErr_Occurred()) {
        return -1;
    }
    if (PyErr_ExceptionMatches(PyExc_TypeError)) {
        PyErr_Clear(); /* what cannot be hashed is not a column's name */
        return -1;
    }
    return -2;
}

static Py_ssize_t record_length(PyObject *self)
{
    return Py_SIZE(self);
}

static int record_contains(PyObject *self, PyObject *key)
{
    Py_ssize_t position = position_of(self, key);
    return position == -2 ? -1 : position >= 0;
}

static PyObject *record_item(PyObject *self, Py_ssize_t i)
{
    if (i < 0 || i >= Py_SIZE(self)) {
        PyErr_SetString(PyExc_IndexError, "record index out of range");
        return NULL;
    }
    return Py_XNewRef(value_at(self, i));
}

static PyObject *record_by_name(PyObject *self, PyObject *key)
{
    Py_ssize_t position = position_of(self, key);
    if (position >= 0) {
        return Py_XNewRef(value_at(self, position));
    }
    if (position == -1) {
        /* Made here, because PyErr_SetObject would take a tuple or None as the arguments. */
        PyObject *error = PyObject_CallFunctionObjArgs(PyExc_KeyError, key, NULL);
        if (error != NULL) {
            PyErr_SetObject(PyExc_KeyError, error);
            Py_DECREF(error);
        }
    }
    return NULL;
}

static PyObject *record_subscript(PyObject *self, PyObject *key)
{
    if (PyUnicode_CheckExact(key)) {
        return record_by_name(self, key);
    }
    if (PyIndex_Check(key)) {
        Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
        if (i == -1 && PyErr_Occurred()) {
            return NULL;
        }
        return record_item(self, i < 0 ? i + Py_SIZE(self) : i);
    }
    if (PySlice_Check(key)) {
        Py_ssize_t start, stop, step;
        if (PySlice_Unpack(key, &start, &stop, &step) < 0) {
            return NULL;
        }
        Py_ssize_t n = PySlice_AdjustIndices(Py_SIZE(self), &start, &stop, step);
        return values_slice(self, start, step, n);
    }
    return record_by_name(self, key);
}

static PyObject *record_get(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    if (n < 1 || n > 2) {
        PyErr_Format(PyExc_TypeError, "Record.get() expected 1 or 2 arguments, got %zd", n);
        return NULL;
    }
    Py_ssize_t position = position_of(self, args[0]);
    if (position >= 0) {
        return Py_XNewRef(value_at(self, position));
    }
    if (position == -2) {
        return NULL;
    }
    return Py_NewRef(n == 2 ? args[1] : Py_None);
}

/* ----------------------------------------------------------------------------- Record: comparing, hashing, printing */

static inline int has_values(PyObject *other)
{
    return PyTuple_Check(other) || PyObject_TypeCheck(other, &Record_Type);
}

static inline PyObject *value_of_either(PyObject *row, Py_ssize_t i)
{
    return PyTuple_Check(row) ? PyTuple_GET_ITEM(row, i) : value_at(row, i);
}

/* By values, like tuples; the names play no part. The values are borrowed: neither side can change meanwhile. */
static PyObject *record_richcompare(PyObject *self, PyObject *other, int op)
{
    if (!has_values(self) || !has_values(other)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    Py_ssize_t n = Py_SIZE(self), n_other = Py_SIZE(other);
    if (n != n_other && (op == Py_EQ || op == Py_NE)) {
        return PyBool_FromLong(op == Py_NE);
    }
    for (Py_ssize_t i = 0; i < n && i < n_other; i++) {
        PyObject *mine = value_of_either(self, i), *theirs = value_of_either(other, i);
        if (mine == NULL || theirs == NULL) {
            return NULL;
        }
        int equal = PyObject_RichCompareBool(mine, theirs, Py_EQ);
        if (equal < 0) {
            return NULL;
        }
        if (!equal) {
            if (op == Py_EQ || op == Py_NE) {
                return PyBool_FromLong(op == Py_NE);
            }
            return PyObject_RichCompare(mine, theirs, op);
        }
    }
    Py_RETURN_RICHCOMPARE(n, n_other, op);
}

/* By way of a tuple: equal to a tuple, so hashed like one, whatever this Python's rule for tuples is. */
static Py_hash_t record_hash(PyObject *self)
{
    Py_hash_t hash = -1;
    if (Py_EnterRecursiveCall(" while hashing a record")) {
        return -1;
    }
    PyObject *values = values_slice(self, 0, 1, Py_SIZE(self));
    if (values != NULL) {
        hash = PyObject_Hash(values);
        Py_DECREF(values);
    }
    Py_LeaveRecursiveCall();
    return hash;
}

static const char *class_name(PyObject *self)
{
    const char *full = Py_TYPE(self)->tp_name, *dot = strrchr(full, '.');
    return dot != NULL ? dot + 1 : full;
}

/* ["<Record", "a=1", "b='x'"] */
static PyObject *repr_parts(PyObject *self)
{
    PyObject *parts = PyList_New(0);
    PyObject *part = PyUnicode_FromFormat("<%s", class_name(self));
    for (Py_ssize_t i = 0; parts != NULL && part != NULL; i++) {
        int failed = PyList_Append(parts, part);
        Py_CLEAR(part);
        if (failed) {
            break;
        }
        if (i == Py_SIZE(self)) {
            return parts;
        }
        PyObject *value = value_at(self, i);
        if (value != NULL) {
            part = PyUnicode_FromFormat("%U=%R", PyTuple_GET_ITEM(names_of(self), i), value);
        }
    }
    Py_XDECREF(parts);
    Py_XDECREF(part);
    return NULL;
}

static PyObject *record_repr(PyObject *self)
{
    int entered = Py_ReprEnter(self);
    if (entered != 0) {
        return entered > 0 ? PyUnicode_FromFormat("<%s ...>", class_name(self)) : NULL;
    }
    PyObject *text = NULL, *space = PyUnicode_FromString(" ");
    PyObject *parts = space != NULL ? repr_parts(self) : NULL;
    if (parts != NULL) {
        PyObject *joined = PyUnicode_Join(space, parts);
        if (joined != NULL) {
            text = PyUnicode_FromFormat("%U>", joined);
            Py_DECREF(joined);
        }
        Py_DECREF(parts);
    }
    Py_XDECREF(space);
    Py_ReprLeave(self);
    return text;
}

/* _restore(cls, shape, values): rows that are pickled together go on sharing their shape. */
static PyObject *record_reduce(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *result = NULL, *attributes = NULL;
    PyObject *module = PyImport_ImportModule(MODULE_NAME);
    PyObject *restore = module != NULL ? PyObject_GetAttrString(module, "_restore") : NULL;
    PyObject *values = restore != NULL ? values_slice(self, 0, 1, Py_SIZE(self)) : NULL;
    if (values == NULL) {
        goto done;
    }
    if (Py_TYPE(self) != &Record_Type) {
        attributes = PyObject_GetAttrString(self, "__dict__"); /* none if the subclass has empty __slots__ */
        if (attributes == NULL) {
            if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
                goto done;
            }
            PyErr_Clear();
        }
    }
    PyObject *shape = ((RecordObject *)self)->shape;
    if (attributes == NULL || (PyDict_Check(attributes) && PyDict_GET_SIZE(attributes) == 0)) {
        result = Py_BuildValue("O(OOO)", restore, (PyObject *)Py_TYPE(self), shape, values);
    }
    else {
        result = Py_BuildValue("O(OOO)O", restore, (PyObject *)Py_TYPE(self), shape, values, attributes);
    }
done:
    Py_XDECREF(attributes);
    Py_XDECREF(values);
    Py_XDECREF(restore);
    Py_XDECREF(module);
    return result;
}

/* ------------------------------------------------------------------------------------------------ Record: iterating */

#include "record_iterators.h"

static PyObject *record_iter(PyObject *self)
{
    return iterator_over(&RecordIterator_Type, self);
}

static PyObject *record_keys(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyObject_GetIter(names_of(self));
}

static PyObject *record_values(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return iterator_over(&RecordIterator_Type, self);
}

static PyObject *record_items(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return iterator_over(&RecordItemsIterator_Type, self);
}

/* ----------------------------------------------------------------------------------------------------- Record: type */

static PyMethodDef record_methods[] = {
    {"get", (PyCFunction)(void (*)(void))record_get, METH_FASTCALL,
     PyDoc_STR("get($self, key, default=None, /)\n--\n\nThe value of the column named `key`, or `default`.")},
    {"keys", record_keys, METH_NOARGS, PyDoc_STR("keys($self, /)\n--\n\nIterate over the column names.")},
    {"values", record_values, METH_NOARGS, PyDoc_STR("values($self, /)\n--\n\nIterate over the values.")},
    {"items", record_items, METH_NOARGS, PyDoc_STR("items($self, /)\n--\n\nIterate over (name, value) pairs.")},
    {"__reduce__", record_reduce, METH_NOARGS, NULL},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     PyDoc_STR("__class_getitem__($type, item, /)\n--\n\nFor annotations: Record[...].")},
    {NULL, NULL, 0, NULL},
};

static PySequenceMethods record_as_sequence = {
    .sq_length = record_length,
    .sq_item = record_item,
    .sq_contains = record_contains,
};

static PyMappingMethods record_as_mapping = {
    .mp_length = record_length,
    .mp_subscript = record_subscript,
};

/* Py_TPFLAGS_MAPPING lets `case {"id": id}` match a row. It does not make the row a collections.abc.Mapping, which it
 * is not: iterating gives values. */
static PyTypeObject Record_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = MODULE_NAME ".Record",
    .tp_basicsize = offsetof(RecordObject, values),
    .tp_itemsize = sizeof(PyObject *),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_MAPPING,
    .tp_doc = PyDoc_STR("A row: values by position, by slice and by column name. Made by queries only."),
    .tp_new = record_tp_new,
    .tp_dealloc = (destructor)record_dealloc,
    .tp_free = PyObject_GC_Del,
    .tp_traverse = (traverseproc)record_traverse,
    .tp_repr = record_repr,
    .tp_hash = record_hash,
    .tp_richcompare = record_richcompare,
    .tp_iter = record_iter,
    .tp_as_sequence = &record_as_sequence,
    .tp_as_mapping = &record_as_mapping,
    .tp_methods = record_methods,
};

/* ----------------------------------------------------------------------------------------------------------- module */

/* Raise TypeError unless rows can be made of this class. Its __new__ and __init__ would never be called. */
static int require_record_class(PyObject *cls)
{
    if (!PyType_Check(cls) || !PyType_IsSubtype((PyTypeObject *)cls, &Record_Type)) {
        PyErr_Format(PyExc_TypeError, "a record class must be Record or a subclass of it, got %R", cls);
        return -1;
    }
    if (((PyTypeObject *)cls)->tp_new != Record_Type.tp_new || ((PyTypeObject *)cls)->tp_init != Record_Type.tp_init) {
        PyErr_Format(PyExc_TypeError, "a record class must not redefine __new__ or __init__, but %R does", cls);
        return -1;
    }
    return 0;
}

static PyObject *record_from_values(PyObject *cls, PyObject *shape, PyObject *iterable, int tracked)
{
    if (require_record_class(cls) < 0) {
        return NULL;
    }
    PyObject *values = PySequence_Tuple(iterable);
    if (values == NULL) {
        return NULL;
    }
    int is_leaf = !tracked && cls == (PyObject *)&Record_Type;
    PyObject *row = is_leaf ? new_leaf_record(shape, PyTuple_GET_SIZE(values))
                            : new_record((PyTypeObject *)cls, shape, PyTuple_GET_SIZE(values));
    if (row != NULL) {
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(values); i++) {
            Record_SET_ITEM(row, i, Py_NewRef(PyTuple_GET_ITEM(values, i)));
        }
        if (!is_leaf) {
            track(row);
        }
    }
    Py_DECREF(values);
    return row;
}

static PyObject *module_make_record(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"shape", "values", "cls", "track", NULL};
    PyObject *shape, *values, *cls = (PyObject *)&Record_Type;
    int tracked = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|Op:make_record", keywords, &shape, &values, &cls, &tracked)) {
        return NULL;
    }
    return record_from_values(cls, shape, values, tracked);
}

static PyObject *module_restore(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *cls, *shape, *values;
    if (!PyArg_ParseTuple(args, "OOO:_restore", &cls, &shape, &values)) {
        return NULL;
    }
    shape = Py_TYPE(shape) == &RowShape_Type ? Py_NewRef(shape) : row_shape_from_names(shape);
    if (shape == NULL) {
        return NULL;
    }
    PyObject *row = record_from_values(cls, shape, values, 1);
    Py_DECREF(shape);
    return row;
}

static PyObject *module_check_record_class(PyObject *Py_UNUSED(module), PyObject *cls)
{
    if (require_record_class(cls) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static int settle(int wanted)
{
    PyObject *names = PyTuple_New(0), *shape = names == NULL ? NULL : row_shape_from_names(names);
    PyObject *row = shape == NULL ? NULL : new_record(&Record_Type, shape, 0);
    int is_in_place = row == NULL ? -1 : settle_leaf_records(row, wanted);
    Py_XDECREF(row);
    Py_XDECREF(shape);
    Py_XDECREF(names);
    return is_in_place;
}

static PyObject *module_use_layout(PyObject *Py_UNUSED(module), PyObject *wanted)
{
    int is_wanted = PyObject_IsTrue(wanted), is_in_place = is_wanted < 0 ? -1 : settle(is_wanted);
    return is_in_place < 0 ? NULL : PyBool_FromLong(is_in_place);
}

static PyMethodDef module_functions[] = {
    {"make_record", (PyCFunction)(void (*)(void))module_make_record, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("make_record(shape, values, cls=Record, track=True)\n--\n\n"
               "Return a row of this shape with these values.\n\n"
               "`track=False` keeps it from the garbage collector: only for values that hold no other objects, and\n"
               "without effect on a subclass of Record. ValueError if the number of values is not the shape's.")},
    {"check_record_class", module_check_record_class, METH_O,
     PyDoc_STR("check_record_class(cls, /)\n--\n\n"
               "Return if rows can be made of `cls`: Record, or a subclass that redefines neither __new__ nor\n"
               "__init__. Otherwise raise TypeError.")},
    {"use_layout", module_use_layout, METH_O,
     PyDoc_STR("use_layout(wanted, /)\n--\n\n"
               "Allocate rows of leaves in place if `wanted` and if Python's layout is known; say whether that is so.\n"
               "For tests.")},
    {"_restore", module_restore, METH_VARARGS,
     PyDoc_STR("_restore(cls, shape, values, /)\n--\n\nReturn the row that was pickled; `shape` may be just names.")},
    {NULL, NULL, 0, NULL},
};

static RecordAPI api = {RECORD_API_VERSION, &Record_Type, &RowShape_Type, new_record, new_leaf_record, track};

/* Static types belong to the first interpreter that loads the module, for the life of the process. */
static int claim_interpreter(void)
{
    static int64_t owner = -1;
#ifdef Py_GIL_DISABLED
    static PyMutex mutex;
    PyMutex_Lock(&mutex);
#endif
    int64_t current = PyInterpreterState_GetID(PyInterpreterState_Get());
    if (owner == -1) {
        owner = current;
    }
    int is_owner = owner == current;
#ifdef Py_GIL_DISABLED
    PyMutex_Unlock(&mutex);
#endif
    if (!is_owner) {
        PyErr_SetString(PyExc_ImportError, MODULE_NAME " is loaded in another interpreter of this process; it can be "
                                                       "used by one interpreter only");
        return -1;
    }
    return 0;
}

static int require_own_name(PyObject *module)
{
    const char *name = PyModule_GetName(module);
    if (name == NULL) {
        return -1;
    }
    if (strcmp(name, MODULE_NAME) != 0) {
        PyErr_Format(PyExc_ImportError, "this module must be imported as " MODULE_NAME ", not as %.200s", name);
        return -1;
    }
    return 0;
}

static int module_exec(PyObject *module)
{
    if (require_own_name(module) < 0 || claim_interpreter() < 0) {
        return -1;
    }
    PyTypeObject *types[] = {&RowShape_Type, &Record_Type, &RecordIterator_Type, &RecordItemsIterator_Type};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (PyModule_AddType(module, types[i]) < 0) {
            return -1;
        }
    }
    PyObject *capsule = PyCapsule_New(&api, RECORD_CAPSULE, NULL);
    int failed = capsule == NULL || PyModule_AddObjectRef(module, "_C_API", capsule) < 0;
    Py_XDECREF(capsule);
    return failed || settle(1) < 0 ? -1 : 0;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = MODULE_NAME,
    .m_doc = PyDoc_STR("A row of a result, and the shape that all rows of the result share."),
    .m_size = 0,
    .m_methods = module_functions,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit_record(void)
{
    return PyModuleDef_Init(&module_definition);
}
