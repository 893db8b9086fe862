/**
 * The few calls of libuv that let a descriptor wake Node's event loop. Node exports them and keeps
 * them stable (libuv's ABI does not change within version 1), but its headers are not on every
 * machine; handles are opaque here and sized by libuv itself.
 *
 * Source  docs.libuv.org, uv_poll_t and uv_handle_t
 */
#pragma once

#include <cstddef>

extern "C" {

struct uv_loop_s;
struct uv_handle_s;

using uv_poll_cb = void (*)(uv_handle_s* handle, int status, int events);
using uv_close_cb = void (*)(uv_handle_s* handle);

size_t uv_handle_size(int type);
void* uv_handle_get_data(const uv_handle_s* handle);
void uv_handle_set_data(uv_handle_s* handle, void* data);
int uv_poll_init(uv_loop_s* loop, uv_handle_s* handle, int fd);
int uv_poll_start(uv_handle_s* handle, int events, uv_poll_cb cb);
int uv_poll_stop(uv_handle_s* handle);
void uv_close(uv_handle_s* handle, uv_close_cb cb);
}

namespace sluice {

/** UV_POLL of enum uv_handle_type. */
constexpr int kUvPoll = 8;
/** UV_READABLE of enum uv_poll_event. */
constexpr int kUvReadable = 1;

}  // namespace sluice
