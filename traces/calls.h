/*
 * The one list of interposed functions. Hooks, probes, the trace's kinds, hakmem's exports and the
 * tests are all made from it, so none of them can miss a function that another one knows.
 *
 * X(id, number, symbol, shape, name)
 *   id      C identifier of the kind: TRACE_<id>
 *   number  value of the kind in a trace file; never reused, never changed
 *   symbol  the linker's name of the function
 *   shape   the signature, one of the list below
 *   name    what users read: haktrace dump, JSON, DataFrames
 *
 * Shapes (the parameters in order -> result):
 *   ALLOC           size -> ptr                NEW                    size -> ptr or throw
 *   CALLOC          count, size -> ptr         NEW_NOTHROW            size, tag -> ptr
 *   REALLOC         ptr, size -> ptr           NEW_ALIGNED            size, align -> ptr or throw
 *   REALLOCARRAY    ptr, count, size -> ptr    NEW_ALIGNED_NOTHROW    size, align, tag -> ptr
 *   MEMALIGN        align, size -> ptr         DELETE_SIZED           ptr, size
 *   POSIX_MEMALIGN  &ptr, align, size -> errno DELETE_NOTHROW         ptr, tag
 *   FREE            ptr                        DELETE_ALIGNED         ptr, align
 *   DELETE          ptr                        DELETE_SIZED_ALIGNED   ptr, size, align
 *                                              DELETE_ALIGNED_NOTHROW ptr, align, tag
 */
#ifndef TRACE_CALLS_H
#define TRACE_CALLS_H

/* clang-format off */
#define TRACE_CALLS_C(X)                                                                            \
	X(MALLOC,          1, malloc,          ALLOC,          "malloc")                            \
	X(CALLOC,          2, calloc,          CALLOC,         "calloc")                            \
	X(REALLOC,         3, realloc,         REALLOC,        "realloc")                           \
	X(REALLOCARRAY,    4, reallocarray,    REALLOCARRAY,   "reallocarray")                      \
	X(FREE,            5, free,            FREE,           "free")                              \
	X(MEMALIGN,        6, memalign,        MEMALIGN,       "memalign")                          \
	X(POSIX_MEMALIGN,  7, posix_memalign,  POSIX_MEMALIGN, "posix_memalign")                    \
	X(ALIGNED_ALLOC,   8, aligned_alloc,   MEMALIGN,       "aligned_alloc")                     \
	X(VALLOC,          9, valloc,          ALLOC,          "valloc")                            \
	X(PVALLOC,        10, pvalloc,         ALLOC,          "pvalloc")

#define TRACE_CALLS_CXX(X)                                                                          \
	X(NEW,                          16, _Znwm,                                NEW,              \
	  "new")                                                                                    \
	X(NEW_ARRAY,                    17, _Znam,                                NEW,              \
	  "new[]")                                                                                  \
	X(NEW_NOTHROW,                  18, _ZnwmRKSt9nothrow_t,                  NEW_NOTHROW,      \
	  "new nothrow")                                                                            \
	X(NEW_ARRAY_NOTHROW,            19, _ZnamRKSt9nothrow_t,                  NEW_NOTHROW,      \
	  "new[] nothrow")                                                                          \
	X(NEW_ALIGNED,                  20, _ZnwmSt11align_val_t,                 NEW_ALIGNED,      \
	  "new aligned")                                                                            \
	X(NEW_ARRAY_ALIGNED,            21, _ZnamSt11align_val_t,                 NEW_ALIGNED,      \
	  "new[] aligned")                                                                          \
	X(NEW_ALIGNED_NOTHROW,          22, _ZnwmSt11align_val_tRKSt9nothrow_t,   NEW_ALIGNED_NOTHROW, \
	  "new aligned nothrow")                                                                    \
	X(NEW_ARRAY_ALIGNED_NOTHROW,    23, _ZnamSt11align_val_tRKSt9nothrow_t,   NEW_ALIGNED_NOTHROW, \
	  "new[] aligned nothrow")                                                                  \
	X(DELETE,                       32, _ZdlPv,                               DELETE,           \
	  "delete")                                                                                 \
	X(DELETE_ARRAY,                 33, _ZdaPv,                               DELETE,           \
	  "delete[]")                                                                               \
	X(DELETE_SIZED,                 34, _ZdlPvm,                              DELETE_SIZED,     \
	  "delete sized")                                                                           \
	X(DELETE_ARRAY_SIZED,           35, _ZdaPvm,                              DELETE_SIZED,     \
	  "delete[] sized")                                                                         \
	X(DELETE_NOTHROW,               36, _ZdlPvRKSt9nothrow_t,                 DELETE_NOTHROW,   \
	  "delete nothrow")                                                                         \
	X(DELETE_ARRAY_NOTHROW,         37, _ZdaPvRKSt9nothrow_t,                 DELETE_NOTHROW,   \
	  "delete[] nothrow")                                                                       \
	X(DELETE_ALIGNED,               38, _ZdlPvSt11align_val_t,                DELETE_ALIGNED,   \
	  "delete aligned")                                                                         \
	X(DELETE_ARRAY_ALIGNED,         39, _ZdaPvSt11align_val_t,                DELETE_ALIGNED,   \
	  "delete[] aligned")                                                                       \
	X(DELETE_SIZED_ALIGNED,         40, _ZdlPvmSt11align_val_t,               DELETE_SIZED_ALIGNED, \
	  "delete sized aligned")                                                                   \
	X(DELETE_ARRAY_SIZED_ALIGNED,   41, _ZdaPvmSt11align_val_t,               DELETE_SIZED_ALIGNED, \
	  "delete[] sized aligned")                                                                 \
	X(DELETE_ALIGNED_NOTHROW,       42, _ZdlPvSt11align_val_tRKSt9nothrow_t,  DELETE_ALIGNED_NOTHROW, \
	  "delete aligned nothrow")                                                                 \
	X(DELETE_ARRAY_ALIGNED_NOTHROW, 43, _ZdaPvSt11align_val_tRKSt9nothrow_t,  DELETE_ALIGNED_NOTHROW, \
	  "delete[] aligned nothrow")
/* clang-format on */

#define TRACE_CALLS(X) TRACE_CALLS_C(X) TRACE_CALLS_CXX(X)

#endif
