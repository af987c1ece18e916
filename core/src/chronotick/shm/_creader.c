/* The fast path of `chronotick.time()`, `time_ns()` and `now()`, on the stable ABI.
 *
 * A Reader answers while the record is good. In every other case it calls the Python function it
 * was given for that, which may reopen the file, warn, fall back or raise.
 *
 * Threads: whatever touches self->reader holds the GIL and calls no Python code meanwhile, so
 * attach() never removes a mapping under a reading thread. (Builds of Python without
 * a GIL do not get this extension, see setup.py.)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "chronotick.h"

#define STATUSES 5

typedef struct {
    PyObject_HEAD
    struct chronotick_reader reader;
    allocfunc now_alloc;
    PyObject *now_type;
    PyObject *statuses; /* tuple: member of the Status enum by number */
    PyObject *slow_time;
    PyObject *slow_time_ns;
    PyObject *slow_now;
    PyObject *sigma; /* the int of sigma_ns: it rarely changes from one call to the next */
    int64_t sigma_ns;
} Reader;

/* As chronotick_read(), but other threads run while it waits: one of them may be the writer. They may
 * also attach another record or detach; every round starts from what is mapped then. */
static int read_newest(Reader *self, int64_t *raw_ns) {
    struct chronotick_reader *reader = &self->reader;
    int wait;
    if (reader->shared != NULL && chronotick_is_current(reader, raw_ns)) return 1;
    for (wait = 0; reader->shared != NULL && wait < CHRONOTICK_WAITS; wait++) {
        const int tried = chronotick_try(reader, raw_ns);
        if (tried != CHRONOTICK_TRIED_BUSY) return tried == CHRONOTICK_TRIED_GOOD;
        Py_BEGIN_ALLOW_THREADS
        chronotick_wait();
        Py_END_ALLOW_THREADS
    }
    if (reader->shared == NULL) return 0;
    chronotick_give_up(reader);
    *raw_ns = chronotick_raw_ns();
    return reader->last.seq != 0;
}

/* The record that serves time now, or NULL. */
static const struct chronotick_record *served(Reader *self, int64_t *raw_ns) {
    const struct chronotick_record *record = &self->reader.last;
    if (!read_newest(self, raw_ns) ||
        chronotick_is_void(&self->reader, *raw_ns) || record->status < CHRONOTICK_WARMING_UP ||
        record->status > CHRONOTICK_HOLDOVER)
        return NULL;
    return record;
}

PyDoc_STRVAR(time_doc,
"time($self, /)\n--\n\n"
"Return the corrected time in seconds since the Unix epoch, as a float.\n"
"\n"
"A drop-in for :func:`time.time`: it never raises. Without a daemon that serves time it\n"
"returns the system time and warns once with :class:`SystemTimeWarning`. Within an epoch it\n"
"never steps back. It does not look for a suspend of the host: until the daemon's next\n"
"publication after one, time is late by its length; :func:`now` looks.");

static PyObject *reader_time(Reader *self, PyObject *Py_UNUSED(ignored)) {
    int64_t raw_ns;
    const struct chronotick_record *record = served(self, &raw_ns);
    if (record == NULL) return PyObject_CallNoArgs(self->slow_time);
    return PyFloat_FromDouble((double)chronotick_time_at(record, raw_ns) / 1e9);
}

PyDoc_STRVAR(time_ns_doc,
"time_ns($self, /)\n--\n\n"
"Return the corrected time in nanoseconds since the Unix epoch, as an int.\n"
"\n"
"Like :func:`time` without the 200 ns steps of a float of that size.");

static PyObject *reader_time_ns(Reader *self, PyObject *Py_UNUSED(ignored)) {
    int64_t raw_ns;
    const struct chronotick_record *record = served(self, &raw_ns);
    if (record == NULL) return PyObject_CallNoArgs(self->slow_time_ns);
    return PyLong_FromLongLong(chronotick_time_at(record, raw_ns));
}

static PyObject *sigma_object(Reader *self, int64_t sigma_ns) {
    if (self->sigma == NULL || self->sigma_ns != sigma_ns) {
        PyObject *sigma = PyLong_FromLongLong(sigma_ns), *before = self->sigma;
        if (sigma == NULL) return NULL;
        self->sigma = sigma;
        self->sigma_ns = sigma_ns;
        Py_XDECREF(before);
    }
    Py_INCREF(self->sigma);
    return self->sigma;
}

/* An instance of the NamedTuple class: a tuple that no one else has seen may still be filled. */
static PyObject *make_now(Reader *self, const struct chronotick_record *record, int64_t raw_ns) {
    const int64_t estimate_ns = chronotick_time_at(record, raw_ns);
    const int64_t bound_ns = chronotick_bound_at(record, raw_ns);
    PyObject *status = PyTuple_GetItem(self->statuses, record->status);
    PyObject *values[5] = {
        PyLong_FromLongLong(estimate_ns - bound_ns), PyLong_FromLongLong(estimate_ns + bound_ns),
        PyLong_FromLongLong(estimate_ns), sigma_object(self, chronotick_sigma_at(record, raw_ns)),
        status};
    PyObject *now = self->now_alloc((PyTypeObject *)self->now_type, 5);
    Py_ssize_t i;
    Py_INCREF(status);
    for (i = 0; i < 5; i++) {
        if (now == NULL || values[i] == NULL) {
            Py_XDECREF(values[i]);
            Py_CLEAR(now);
        } else if (PyTuple_SetItem(now, i, values[i]) < 0) { /* steals it in any case */
            Py_CLEAR(now);
        }
    }
    return now;
}

static PyObject *call_slow_now(Reader *self, PyObject *const *args, Py_ssize_t count,
                               PyObject *names) {
    const Py_ssize_t named = names == NULL ? 0 : PyTuple_Size(names);
    PyObject *result = NULL, *positional = PyTuple_New(count), *keywords = PyDict_New();
    Py_ssize_t i;
    if (positional == NULL || keywords == NULL) goto done;
    for (i = 0; i < count; i++) {
        Py_INCREF(args[i]);
        if (PyTuple_SetItem(positional, i, args[i]) < 0) goto done;
    }
    for (i = 0; i < named; i++)
        if (PyDict_SetItem(keywords, PyTuple_GetItem(names, i), args[count + i]) < 0) goto done;
    result = PyObject_Call(self->slow_now, positional, keywords);
done:
    Py_XDECREF(positional);
    Py_XDECREF(keywords);
    return result;
}

PyDoc_STRVAR(now_doc,
"now($self, /, allow_unsynchronised=False)\n--\n\n"
"Return the interval that contains true time now, as a :class:`Now`.\n"
"\n"
"Args:\n"
"    allow_unsynchronised: return an answer in every case instead of raising: the interval\n"
"        of a clock that is still warming up, and an unbounded one (status unknown or\n"
"        disrupted) around the system time where nothing is known.\n"
"\n"
"Raises:\n"
"    DaemonUnavailable: there is no record, or its daemon has stopped publishing.\n"
"    ClockUnsynchronised: the daemon is there but cannot vouch for a time yet, or any more\n"
"        (also between a suspend of the host and the daemon's next publication).");

static PyObject *reader_now(Reader *self, PyObject *const *args, Py_ssize_t count,
                            PyObject *names) {
    if (count == 0 && names == NULL) {
        int64_t raw_ns;
        const struct chronotick_record *record = served(self, &raw_ns);
        if (record != NULL && record->status != CHRONOTICK_WARMING_UP &&
            !chronotick_was_suspended(&self->reader, raw_ns))
            return make_now(self, record, raw_ns);
    }
    return call_slow_now(self, args, count, names);
}

PyDoc_STRVAR(attach_doc,
"attach($self, descriptor, /)\n--\n\n"
"Map the record behind an open file descriptor, which stays the caller's.\n\n"
"Raises:\n"
"    OSError: it cannot be mapped.\n"
"    ValueError: it is not a record of this layout version.");

static PyObject *reader_attach(Reader *self, PyObject *descriptor) {
    const long number = PyLong_AsLong(descriptor);
    if (number == -1 && PyErr_Occurred()) return NULL;
    switch (chronotick_map(&self->reader, (int)number)) {
    case CHRONOTICK_OK:
        Py_RETURN_NONE;
    case CHRONOTICK_NO_FILE:
        return PyErr_SetFromErrno(PyExc_OSError);
    default:
        PyErr_SetString(PyExc_ValueError, "not a ChronoTick record of this layout version");
        return NULL;
    }
}

PyDoc_STRVAR(detach_doc,
"detach($self, /)\n--\n\n"
"Remove the mapping; every call takes the slow path until the next attach().");

static PyObject *reader_detach(Reader *self, PyObject *Py_UNUSED(ignored)) {
    chronotick_close(&self->reader);
    Py_RETURN_NONE;
}

static int check_arguments(PyObject *now_type, PyObject *statuses) {
    if (!PyType_Check(now_type) || !PyType_IsSubtype((PyTypeObject *)now_type, &PyTuple_Type)) {
        PyErr_SetString(PyExc_TypeError, "now_type must be a subclass of tuple");
        return -1;
    }
    if (PyTuple_Size(statuses) != STATUSES) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "statuses must be the five members of Status");
        return -1;
    }
    return 0;
}

static PyObject *reader_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    static char *names[] = {"now_type", "statuses", "slow_time", "slow_time_ns", "slow_now", NULL};
    PyObject *now_type, *statuses, *slow_time, *slow_time_ns, *slow_now;
    Reader *self;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OO!OOO", names, &now_type, &PyTuple_Type,
                                     &statuses, &slow_time, &slow_time_ns, &slow_now) ||
        check_arguments(now_type, statuses) < 0)
        return NULL;
    self = (Reader *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (self == NULL) return NULL;
    self->now_alloc = (allocfunc)PyType_GetSlot((PyTypeObject *)now_type, Py_tp_alloc);
    Py_INCREF(self->now_type = now_type);
    Py_INCREF(self->statuses = statuses);
    Py_INCREF(self->slow_time = slow_time);
    Py_INCREF(self->slow_time_ns = slow_time_ns);
    Py_INCREF(self->slow_now = slow_now);
    return (PyObject *)self;
}

/* No tp_clear: a cycle through a Reader also passes through the dictionary of whoever owns the slow
 * functions, and a Reader without them could not answer a last call. */
static int reader_traverse(Reader *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->now_type);
    Py_VISIT(self->statuses);
    Py_VISIT(self->slow_time);
    Py_VISIT(self->slow_time_ns);
    Py_VISIT(self->slow_now);
    return 0;
}

static void reader_dealloc(Reader *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_XDECREF(self->now_type);
    Py_XDECREF(self->statuses);
    Py_XDECREF(self->slow_time);
    Py_XDECREF(self->slow_time_ns);
    Py_XDECREF(self->slow_now);
    Py_XDECREF(self->sigma);
    chronotick_close(&self->reader);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyMethodDef reader_methods[] = {
    {"time", (PyCFunction)(void (*)(void))reader_time, METH_NOARGS, time_doc},
    {"time_ns", (PyCFunction)(void (*)(void))reader_time_ns, METH_NOARGS, time_ns_doc},
    {"now", (PyCFunction)(void (*)(void))reader_now, METH_FASTCALL | METH_KEYWORDS, now_doc},
    {"attach", (PyCFunction)(void (*)(void))reader_attach, METH_O, attach_doc},
    {"detach", (PyCFunction)(void (*)(void))reader_detach, METH_NOARGS, detach_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(reader_doc,
"Reader(now_type, statuses, slow_time, slow_time_ns, slow_now)\n--\n\n"
"Serves time from the record in C, and calls the slow functions where it cannot.");

static PyType_Slot reader_slots[] = {
    {Py_tp_doc, (void *)reader_doc},
    {Py_tp_new, reader_new},
    {Py_tp_traverse, reader_traverse},
    {Py_tp_dealloc, reader_dealloc},
    {Py_tp_methods, reader_methods},
    {0, NULL},
};

static PyType_Spec reader_spec = {
    .name = "chronotick.shm._creader.Reader",
    .basicsize = sizeof(Reader),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = reader_slots,
};

PyDoc_STRVAR(fence_doc,
"fence($module, /)\n--\n\n"
"Keep the processor from moving stores and loads across this call.");

static PyObject *fence(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"fence", fence, METH_NOARGS, fence_doc},
    {NULL, NULL, 0, NULL},
};

static int execute(PyObject *module) {
    PyObject *type = PyType_FromSpec(&reader_spec);
    if (type == NULL) return -1;
    if (PyModule_AddObject(module, "Reader", type) < 0) { /* steals the reference on success */
        Py_DECREF(type);
        return -1;
    }
    return 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_creader",
    .m_doc = "The record's fast readers in C.",
    .m_size = 0,
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__creader(void) { return PyModuleDef_Init(&definition); }
