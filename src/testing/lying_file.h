// SPDX-License-Identifier: Apache-2.0
// Lies told to a file that is right otherwise: each must be an error that mentions what is wrong.
// A File is copied and has Result<...> Build() const. Threads: free functions without state.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace cairn::testing {

template <typename File>
struct Lie {
  std::function<void(File&)> tell;
  const char* mentions;   // what the message must have
  const char* name = "";  // where several mention the same
};

template <typename File>
void ExpectErrors(const File& honest, const std::vector<Lie<File>>& lies) {
  for (const Lie<File>& lie : lies) {
    File file = honest;
    lie.tell(file);
    const auto built = file.Build();
    ASSERT_FALSE(built) << lie.name << " " << lie.mentions;
    EXPECT_NE(built.error().message.find(lie.mentions), std::string::npos)
        << lie.name << " " << lie.mentions << ": " << built.error().message;
  }
}

}  // namespace cairn::testing
