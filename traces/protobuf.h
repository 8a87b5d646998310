/* Writes messages in Protocol Buffers' wire format: each field is a tag, then a number or bytes. */
#ifndef TRACE_PROTOBUF_H
#define TRACE_PROTOBUF_H

#include "bytes.h"

void protobuf_number(struct bytes *message, unsigned field, uint64_t number);
void protobuf_text(struct bytes *message, unsigned field, const char *text);

/* A message inside a message; inner is emptied. */
void protobuf_message(struct bytes *message, unsigned field, struct bytes *inner);

/* Numbers of one field, packed. */
void protobuf_numbers(struct bytes *message, unsigned field, const uint64_t *numbers, size_t n);

#endif
