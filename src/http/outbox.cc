// SPDX-License-Identifier: Apache-2.0
#include "http/outbox.h"

#include <algorithm>
#include <boost/asio/write.hpp>
#include <utility>

namespace cairn::http {

void Outbox::Send(std::string_view bytes, const std::shared_ptr<Listener>& listener) {
  waiting_ += bytes;
  if (std::exchange(writing_, true)) return;
  WriteNext(listener);
}

std::size_t Outbox::TakeCount() { return std::exchange(count_, 0); }

void Outbox::WriteNext(std::shared_ptr<Listener> listener) {
  if (sent_ == sending_.size()) {
    sent_ = 0;
    sending_.clear();
    if (waiting_.empty()) {
      writing_ = false;
      return listener->Sent();
    }
    std::swap(sending_, waiting_);
    count_ += sending_.size();
  }
  const std::size_t size = std::min(kPiece, sending_.size() - sent_);
  const auto piece = boost::asio::buffer(sending_.data() + sent_, size);
  sent_ += size;
  listener->Sending();
  boost::asio::async_write(stream_, piece,
                           [this, listener = std::move(listener)](
                               const boost::system::error_code& error, std::size_t) mutable {
                             if (error) return listener->Lost();
                             WriteNext(std::move(listener));
                           });
}

}  // namespace cairn::http
