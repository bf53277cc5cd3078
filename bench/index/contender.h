// SPDX-License-Identifier: Apache-2.0
// What index_bench asks of an ordered map from 64-bit keys to 64-bit values.
// Threads: all members from any thread.
#pragma once

#include <cstdint>
#include <memory>

namespace cairn::bench {

class Contender {
 public:
  virtual ~Contender() = default;
  virtual void Insert(std::uint64_t key, std::uint64_t value) = 0;
  virtual bool Find(std::uint64_t key, std::uint64_t& value) = 0;
  // The sum of the values of the first `n` entries at or after `from`.
  virtual std::uint64_t Scan(std::uint64_t from, int n) = 0;
};

std::unique_ptr<Contender> MakeCairn(std::uint64_t keys);
std::unique_ptr<Contender> MakeTbb();
std::unique_ptr<Contender> MakeLockedBtree();
std::unique_ptr<Contender> MakeLockedMap();
std::unique_ptr<Contender> MakeSkiplist();

}  // namespace cairn::bench
