// SPDX-License-Identifier: Apache-2.0
#include "parallel/failures.h"

#include <algorithm>
#include <new>

namespace cairn::parallel {
namespace {

bool IsBadAlloc(const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const std::bad_alloc&) {
    return true;
  } catch (...) {
    return false;
  }
}

}  // namespace

void Failures::Add(std::int64_t at, std::exception_ptr exception) noexcept {
  const std::lock_guard lock(mutex_);
  any_.store(true, std::memory_order_relaxed);
  try {
    thrown_.emplace_back(at, std::move(exception));
  } catch (const std::bad_alloc&) {
    out_of_memory_ = true;
  }
}

void Failures::Throw() {
  if (!any()) return;
  if (out_of_memory_) throw std::bad_alloc();
  std::ranges::stable_sort(thrown_, {}, [](const auto& entry) { return entry.first; });
  std::vector<std::exception_ptr> list;
  for (auto& [at, exception] : thrown_) {
    if (IsBadAlloc(exception)) std::rethrow_exception(exception);
    list.push_back(std::move(exception));
  }
  throw ExceptionList(std::move(list));
}

}  // namespace cairn::parallel
