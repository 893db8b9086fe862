/** Doing one thing in another network namespace. */
#pragma once

#include <memory>

#include "sys-error.h"

namespace sluice {

/**
 * Call `body(context)` inside the namespace behind `netnsFd`; -1 means the caller's own.
 *
 * Another namespace is entered on a short-lived thread: the calling thread, which Node owns,
 * never changes its namespace, not even for a moment.
 */
SysResult RunInNetns(int netnsFd, SysResult (*body)(void*), void* context);

/** As above for anything callable that returns a SysResult. */
template <typename Body>
SysResult InNetns(int netnsFd, Body&& body) {
  return RunInNetns(
      netnsFd,
      [](void* context) -> SysResult {
        return (*static_cast<std::remove_reference_t<Body>*>(context))();
      },
      std::addressof(body));
}

/** socket(2) in a namespace: a socket stays in the namespace it was made in. */
SysResult SocketIn(int netnsFd, int domain, int type, int protocol);

}  // namespace sluice
