// SPDX-License-Identifier: Apache-2.0
// One request and the way its answer goes back, whole or as a stream.
//
// Threads: all members from any thread; what they do happens on the event loop, in the order of the
//   calls of one thread. Callbacks run on the event loop.
// Owns: the request. It outlives its connection: once the client is gone, calls do nothing.
// An Exchange that is dropped without an answer answers 500, and one dropped in mid-stream breaks
// it, so that no client waits for ever.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "http/message.h"

namespace cairn::http {

// How an exchange ended, for logs and counters.
struct Outcome {
  int status = 0;              // 0: the client went before there was one
  std::size_t sent_bytes = 0;  // head and body, as far as they were handed to the system
  bool gone = false;           // the client went, or did not read
  double seconds = 0;          // from the headers to the end
};

class Exchange {
 public:
  virtual ~Exchange() = default;

  const Request& request() const { return request_; }
  // The same, for whoever takes the body out of it before the answer.
  Request& request() { return request_; }

  // Headers that the answer gets too, whoever makes it. Before it is made.
  virtual void Also(Headers headers) = 0;
  // The whole answer. It, Begin, or nothing: once.
  virtual void Respond(Response response) = 0;

  // An answer in pieces: `head` without its body, then the pieces, then the end.
  virtual void Begin(Response head) = 0;
  virtual void Write(std::string piece) = 0;
  virtual void End() = 0;
  // Breaks the stream: the client sees that it is not whole.
  virtual void Break() = 0;

  // Called once if the client goes before its answer has ended, also if it has gone already. The
  // last one set is called.
  virtual void OnGone(std::function<void()> gone) = 0;
  // Called once, when the answer is sent or cannot be. The last one set is called.
  virtual void OnEnd(std::function<void(const Outcome&)> end) = 0;

  // Of a request that Handler::TakesPieces: its body as it comes, `last` with the last of it (which
  // may be empty). Set in Handle; not called once the answer has ended. A client that goes before
  // the last piece is gone.
  using TakePiece = std::function<void(std::string piece, bool last)>;
  virtual void OnPiece(TakePiece take) = 0;

 protected:
  explicit Exchange(Request request) : request_(std::move(request)) {}

 private:
  Request request_;
};

// What the front asks of the program behind it. Called on the event loop.
class Handler {
 public:
  virtual ~Handler() = default;
  // Once the headers are there, before any of the body is read: a refusal, or nothing. The
  // connection is closed after a refusal of a request with a body.
  virtual std::optional<Response> Refuse(const Request& request) = 0;
  virtual void Handle(std::shared_ptr<Exchange> exchange) = 0;
  // Whether Handle wants that request before its body, to get it in pieces; it may then come over a
  // WebSocket too.
  virtual bool TakesPieces(const Request& /*request*/) const { return false; }
  // The front itself refuses (400, 408, 413, 431, 503): the body that tells it.
  virtual Response Refusal(int status, std::string message) = 0;
};

}  // namespace cairn::http
