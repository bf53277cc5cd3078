// SPDX-License-Identifier: Apache-2.0
// The exchange that a handler holds, of an HTTP connection or of a WebSocket.
//
// Its calls happen on the event loop, and only while the connection is still at this request: it
// forgets the exchange once the answer has ended. `C` has stream_executor(), At(number),
// answered(), ended(), hooks(), Respond, Begin, Write, End and Break.
// Threads: as Exchange's. Owns: a share of the connection.
#pragma once

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "http/exchange.h"

namespace cairn::http {

// What a handler wants to hear of its request.
struct ExchangeHooks {
  std::function<void()> gone;
  std::function<void(const Outcome&)> end;
  Exchange::TakePiece take;
};

template <typename C>
class BoundExchange final : public Exchange {
 public:
  BoundExchange(std::shared_ptr<C> connection, std::uint64_t number, Request request)
      : Exchange(std::move(request)), connection_(std::move(connection)), number_(number) {}
  ~BoundExchange() override {
    // Never at once: an answer from another thread may be on its way to the event loop, where this
    // one let go of the exchange last.
    boost::asio::post(connection_->stream_executor(), Guarded([](C& c) {
                        if (!c.answered()) {
                          c.Respond(c.NoAnswer());
                        } else if (!c.ended()) {
                          c.Break();
                        }
                      }));
  }

  void Also(Headers headers) override {
    On([headers = std::move(headers)](C& c) mutable { c.Also(std::move(headers)); });
  }
  void Respond(Response response) override {
    On([response = std::move(response)](C& c) mutable { c.Respond(std::move(response)); });
  }
  void Begin(Response head) override {
    On([head = std::move(head)](C& c) mutable { c.Begin(std::move(head)); });
  }
  void Write(std::string piece) override {
    On([piece = std::move(piece)](C& c) { c.Write(piece); });
  }
  void End() override {
    On([](C& c) { c.End(); });
  }
  void Break() override {
    On([](C& c) { c.Break(); });
  }
  void OnGone(std::function<void()> gone) override {
    boost::asio::dispatch(connection_->stream_executor(),
                          [c = connection_, number = number_, gone = std::move(gone)]() mutable {
                            if (c->At(number)) {
                              c->hooks().gone = std::move(gone);
                            } else if (gone) {
                              gone();
                            }
                          });
  }
  void OnEnd(std::function<void(const Outcome&)> end) override {
    On([end = std::move(end)](C& c) mutable { c.hooks().end = std::move(end); });
  }
  void OnPiece(TakePiece take) override {
    On([take = std::move(take)](C& c) mutable { c.hooks().take = std::move(take); });
  }

 private:
  // `act` where this exchange is still the connection's.
  template <typename Act>
  auto Guarded(Act act) {
    return [c = connection_, number = number_, act = std::move(act)]() mutable {
      if (c->At(number)) act(*c);
    };
  }
  // The same on the event loop.
  template <typename Act>
  void On(Act act) {
    boost::asio::dispatch(connection_->stream_executor(), Guarded(std::move(act)));
  }

  std::shared_ptr<C> connection_;
  std::uint64_t number_;
};

}  // namespace cairn::http
