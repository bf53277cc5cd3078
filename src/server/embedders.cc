// SPDX-License-Identifier: Apache-2.0
#include "server/embedders.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <utility>

namespace cairn::server {
namespace {

constexpr std::chrono::seconds kLook{5};  // between two looks for idle models

// A job and the place of its first input among those of all that run together.
struct Running {
  std::shared_ptr<EmbedJob> job;
  std::size_t first = 0;
  std::size_t count = 0;
};

Result<void> RunTogether(engine::Embedder& embedder, std::span<const Running> jobs,
                         std::span<const engine::EmbedInput> inputs, std::stop_token stop) {
  std::vector<const Running*> owner;
  for (const Running& running : jobs) owner.insert(owner.end(), running.count, &running);
  return embedder.Run(
      inputs,
      [&](int input, int, std::span<const float> values) {
        const Running& of = *owner[static_cast<std::size_t>(input)];
        of.job->Row(embedder, input - static_cast<int>(of.first), values);
      },
      std::move(stop));
}

}  // namespace

Embedders::Embedders(std::vector<EmbedderSource> sources, std::chrono::seconds idle_unload)
    : sources_(std::move(sources)), idle_unload_(idle_unload), entries_(sources_.size()) {
  thread_ = std::jthread([this](std::stop_token stop) { Work(std::move(stop)); });
}

Embedders::~Embedders() = default;

std::size_t Embedders::IndexOf(std::string_view name) const {
  if (name.empty()) return 0;
  const auto found = std::ranges::find(sources_, name, &EmbedderSource::id);
  return static_cast<std::size_t>(found - sources_.begin());
}

std::string Embedders::ListOfNames() const {
  std::string names;
  for (const EmbedderSource& source : sources_) names += (names.empty() ? "" : ", ") + source.id;
  return names;
}

Result<void> Embedders::Submit(std::string_view name, std::shared_ptr<EmbedJob> job) {
  const std::size_t index = IndexOf(name);
  if (index >= sources_.size()) {
    return Fail(ErrorCode::kNotFound,
                sources_.empty()
                    ? std::string("this server has no model for embeddings; start it with one, as "
                                  "in `cairn serve smollm2 minilm`")
                    : fmt::format("there is no model for embeddings of that name; there are: {}",
                                  ListOfNames()));
  }
  const std::lock_guard lock(mutex_);
  if (waiting_ >= kMostWaiting) {
    return Fail(ErrorCode::kBusy, "too many requests for embeddings wait; try again");
  }
  ++waiting_;
  entries_[index].waiting.push_back(std::move(job));
  wake_.notify_one();
  return {};
}

void Embedders::Work(std::stop_token stop) {
  std::size_t next = 0;  // whose turn it is
  while (!stop.stop_requested()) {
    Jobs jobs;
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, stop, kLook, [this] { return waiting_ > 0; });
      for (std::size_t i = 0; i < entries_.size() && jobs.empty(); ++i) {
        next = (next + 1) % entries_.size();
        jobs = std::exchange(entries_[next].waiting, {});
      }
      waiting_ -= jobs.size();
    }
    if (!jobs.empty() && !stop.stop_requested()) Serve(next, std::move(jobs), stop);
    UnloadIdle();
  }
}

void Embedders::Serve(std::size_t index, Jobs jobs, std::stop_token stop) {
  Entry& entry = entries_[index];
  std::erase_if(jobs, [](const auto& job) { return job->Gone(); });
  if (jobs.empty()) return;
  try {
    if (!entry.embedder) {
      auto opened = sources_[index].open();
      if (!opened) {
        const Error error = std::move(opened).error().Within(sources_[index].id);
        for (const auto& job : jobs) job->Done(std::unexpected(error));
        return;
      }
      entry.embedder = *std::move(opened);
    }
    std::vector<Running> running;
    std::vector<engine::EmbedInput> inputs;
    for (const auto& job : jobs) {
      auto some = job->Inputs(*entry.embedder);
      if (!some) {
        job->Done(std::unexpected(std::move(some).error()));
        continue;
      }
      running.push_back({job, inputs.size(), some->size()});
      inputs.insert(inputs.end(), std::make_move_iterator(some->begin()),
                    std::make_move_iterator(some->end()));
    }
    const auto done = RunTogether(*entry.embedder, running, inputs, stop);
    for (Running& one : running) {
      // What fails together may be the fault of one.
      const bool again = !done && running.size() > 1;
      const auto own = std::span(inputs).subspan(one.first, one.count);
      one.first = 0;
      one.job->Done(again ? RunTogether(*entry.embedder, {&one, 1}, own, stop) : done);
    }
  } catch (const std::bad_alloc&) {
    for (const auto& job : jobs) {
      job->Done(Fail(ErrorCode::kOutOfMemory, "the memory for this request is not there"));
    }
  }
  entry.used = std::chrono::steady_clock::now();
}

void Embedders::UnloadIdle() {
  const auto now = std::chrono::steady_clock::now();
  for (Entry& entry : entries_) {
    if (entry.embedder && now - entry.used > idle_unload_) entry.embedder.reset();
  }
}

}  // namespace cairn::server
