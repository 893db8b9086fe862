/**
 * Deletions that found no agent: files in a folder beside its socket, which it replays.
 *
 * Each holds a request as it would have been sent (src/cni/wire.ts); the other end is
 * src/cni/delete-queue.ts.
 */
#pragma once

#include <stddef.h>

/** What became of a deletion. Unless it is LEFT or LEFT_FULL, errno says why. */
typedef enum { LEFT, LEFT_NO_FOLDER, LEFT_FULL, LEFT_UNWRITTEN } Left;

/**
 * Leave a deletion in a folder, which is made if need be. It is durable then. The same one, asked
 * for again, takes no further place.
 *
 * @param folder    changed meanwhile, and restored
 * @param stdin_at  where standard input begins in the request: with container and interface it says
 *                  which deletion this is
 */
Left leave_delete(char* folder, const char* request, size_t len, size_t stdin_at);
