// SPDX-License-Identifier: Apache-2.0
// A tiny model's file for tests of include/cairn/cairn.hpp, whose names are in the same namespace
// as ours and meet in no source. Threads: any.
#pragma once

#include <memory>
#include <string>

namespace cairn::testing {

// llama in Q8_0, in a folder of its own, which goes with it.
class TinyFile {
 public:
  TinyFile();
  ~TinyFile();
  std::string folder() const;
  std::string path() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cairn::testing
