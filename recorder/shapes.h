/* The signatures of the interposed functions: for each shape of traces/calls.h its result, its
 * parameters and their names. */
#ifndef RECORDER_SHAPES_H
#define RECORDER_SHAPES_H

#include <stddef.h>

/* clang-format off */
#define RESULT_ALLOC                    void *
#define PARAMETERS_ALLOC                (size_t size)
#define ARGUMENTS_ALLOC                 (size)
#define RESULT_CALLOC                   void *
#define PARAMETERS_CALLOC               (size_t count, size_t size)
#define ARGUMENTS_CALLOC                (count, size)
#define RESULT_REALLOC                  void *
#define PARAMETERS_REALLOC              (void *ptr, size_t size)
#define ARGUMENTS_REALLOC               (ptr, size)
#define RESULT_REALLOCARRAY             void *
#define PARAMETERS_REALLOCARRAY         (void *ptr, size_t count, size_t size)
#define ARGUMENTS_REALLOCARRAY          (ptr, count, size)
#define RESULT_MEMALIGN                 void *
#define PARAMETERS_MEMALIGN             (size_t align, size_t size)
#define ARGUMENTS_MEMALIGN              (align, size)
#define RESULT_POSIX_MEMALIGN           int
#define PARAMETERS_POSIX_MEMALIGN       (void **out, size_t align, size_t size)
#define ARGUMENTS_POSIX_MEMALIGN        (out, align, size)
#define RESULT_FREE                     void
#define PARAMETERS_FREE                 (void *ptr)
#define ARGUMENTS_FREE                  (ptr)
#define RESULT_NEW                      void *
#define PARAMETERS_NEW                  (size_t size)
#define ARGUMENTS_NEW                   (size)
#define RESULT_NEW_NOTHROW              void *
#define PARAMETERS_NEW_NOTHROW          (size_t size, const void *tag)
#define ARGUMENTS_NEW_NOTHROW           (size, tag)
#define RESULT_NEW_ALIGNED              void *
#define PARAMETERS_NEW_ALIGNED          (size_t size, size_t align)
#define ARGUMENTS_NEW_ALIGNED           (size, align)
#define RESULT_NEW_ALIGNED_NOTHROW      void *
#define PARAMETERS_NEW_ALIGNED_NOTHROW  (size_t size, size_t align, const void *tag)
#define ARGUMENTS_NEW_ALIGNED_NOTHROW   (size, align, tag)
#define RESULT_DELETE                   void
#define PARAMETERS_DELETE               (void *ptr)
#define ARGUMENTS_DELETE                (ptr)
#define RESULT_DELETE_SIZED             void
#define PARAMETERS_DELETE_SIZED         (void *ptr, size_t size)
#define ARGUMENTS_DELETE_SIZED          (ptr, size)
#define RESULT_DELETE_NOTHROW           void
#define PARAMETERS_DELETE_NOTHROW       (void *ptr, const void *tag)
#define ARGUMENTS_DELETE_NOTHROW        (ptr, tag)
#define RESULT_DELETE_ALIGNED           void
#define PARAMETERS_DELETE_ALIGNED       (void *ptr, size_t align)
#define ARGUMENTS_DELETE_ALIGNED        (ptr, align)
#define RESULT_DELETE_SIZED_ALIGNED     void
#define PARAMETERS_DELETE_SIZED_ALIGNED (void *ptr, size_t size, size_t align)
#define ARGUMENTS_DELETE_SIZED_ALIGNED  (ptr, size, align)
#define RESULT_DELETE_ALIGNED_NOTHROW   void
#define PARAMETERS_DELETE_ALIGNED_NOTHROW (void *ptr, size_t align, const void *tag)
#define ARGUMENTS_DELETE_ALIGNED_NOTHROW  (ptr, align, tag)
/* clang-format on */

#endif
