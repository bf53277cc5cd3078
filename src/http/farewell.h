// SPDX-License-Identifier: Apache-2.0
// The end of a connection whose client has still to read its answer: a goodbye, TLS's first where
// there is one, then what the client sends meanwhile is read and dropped. Closed with bytes unread,
// TCP would take back what the client has not read yet. Threads: the event loop's. Test:
// http_test.cc.
#pragma once

#include <chrono>
#include <functional>

#include "http/stream.h"

namespace cairn::http {

// What it may take; whoever begins it closes the socket then.
constexpr std::chrono::milliseconds kFarewell{2'000};

// Nothing else may write or begin to read any more. `over`: the client has gone, or sends too much;
// it keeps the stream until then.
void SayFarewell(Stream& stream, std::function<void()> over);

}  // namespace cairn::http
