/* A look at an encoded message before it is decoded. */
#ifndef STASIS_IMAGES_WIRE_H
#define STASIS_IMAGES_WIRE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_DEPTH_MAX 100

/*
 * Are messages nested deeper than WIRE_DEPTH_MAX? The decoder of protobuf-c recurses without a limit, so a
 * small file could run it out of stack (control groups and AppArmor namespaces hold themselves).
 * Bytes that make no sense are left to the decoder to refuse.
 */
bool wire_too_deep(const ProtobufCMessageDescriptor *d, const uint8_t *data, size_t size);

#endif
