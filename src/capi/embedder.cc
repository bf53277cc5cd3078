// SPDX-License-Identifier: Apache-2.0
// Embeddings and scores (cairn.h).
#include "engine/embedder.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>

#include "capi/handles.h"
#include "capi/structs.h"
#include "engine/rerank.h"

namespace cairn::capi {
namespace {

constexpr std::size_t kEmbedderOptionsV0 = 32;
constexpr std::size_t kEmbedderInfoV0 = 40;
constexpr std::size_t kEmbedOptionsV0 = 48;
// Inputs are numbered with int.
constexpr std::size_t kMostTexts = std::numeric_limits<int>::max() - 1;
constexpr std::chrono::milliseconds kLook(50);  // at the flag, while another call has its turn

cairn_embedder_options EmbedderDefaults() { return {.size = sizeof(cairn_embedder_options)}; }
cairn_embed_options EmbedDefaults() { return {.size = sizeof(cairn_embed_options)}; }

Result<std::unique_ptr<engine::Embedder>> Open(const cairn_model& model,
                                               const cairn_embedder_options& o) {
  if (model.model->program().output == program::Output::kLogits) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("'{}' was opened for answers; opened with `embed` in "
                            "cairn_model_options, it makes embeddings",
                            model.model->path()));
  }
  if (!model.model->program().pools()) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("'{}' does not say how the rows of a text become one; "
                            "CAIRN_EMBED_MEAN, _FIRST or _LAST does",
                            model.model->path()));
  }
  return engine::Embedder::Create(model.model, {.threads = o.threads,
                                                .isa = OR_RETURN(IsaOf(o.isa)),
                                                .pinned = o.pinned != 0,
                                                .most_tokens = o.context});
}

Result<std::vector<std::string_view>> TextsOf(const char* what, const char* const* texts,
                                              const std::size_t* lengths, std::size_t count) {
  if (count > kMostTexts) {
    return Fail(ErrorCode::kLimit, fmt::format("{} {}s are more than {}", count, what, kMostTexts));
  }
  if (count > 0) OR_RETURN(NeedPointer(texts, fmt::format("list of {}s", what).c_str()));
  std::vector<std::string_view> list;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name = fmt::format("{} {}", what, i + 1);
    if (lengths == nullptr) OR_RETURN(NeedPointer(texts[i], name.c_str()));
    list.push_back(lengths == nullptr ? std::string_view(texts[i])
                                      : OR_RETURN(NeedText(texts[i], lengths[i], name.c_str())));
  }
  return list;
}

Result<cairn_embed_options> Read(const cairn_embed_options* options) {
  return ReadStruct("cairn_embed_options", options, kEmbedOptionsV0, EmbedDefaults());
}

// Holds an embedder for one call.
class Turn {
 public:
  // Waits; looks at the flag and tells that nothing is done meanwhile. Errors: kCancelled; kBusy
  // from within a progress of the same embedder.
  static Result<Turn> Take(cairn_embedder& embedder, const cairn_embed_options& o,
                           std::size_t count) {
    if (embedder.holder.load() == std::this_thread::get_id()) {
      return Fail(ErrorCode::kBusy, "this embedder works for the call that calls back");
    }
    std::unique_lock lock(embedder.turn, std::defer_lock);
    while (!lock.try_lock_for(kLook)) OR_RETURN(GoOn(o, 0, count));
    Turn turn(embedder, std::move(lock));
    OR_RETURN(GoOn(o, 0, count));
    return turn;
  }
  Turn(Turn&&) = default;
  ~Turn() {
    if (lock_.owns_lock()) embedder_->holder = std::thread::id();
  }

  [[nodiscard]] Result<void> Run(std::span<const engine::EmbedInput> inputs,
                                 const engine::EmbeddingSink& sink, const cairn_embed_options& o,
                                 std::size_t count) {
    return embedder_->embedder->Run(inputs, sink, {}, [&](std::size_t done) {
      return GoOn(o, std::min(done, count), count).has_value();
    });
  }

 private:
  Turn(cairn_embedder& embedder, std::unique_lock<std::timed_mutex> lock)
      : embedder_(&embedder), lock_(std::move(lock)) {
    embedder.holder = std::this_thread::get_id();
  }

  // Errors: kCancelled.
  static Result<void> GoOn(const cairn_embed_options& o, std::size_t done, std::size_t count) {
    if (o.progress != nullptr) o.progress(o.user, done, count);
    if (o.cancel == nullptr || !o.cancel->requested->load()) return {};
    return Fail(ErrorCode::kCancelled, "cancelled");
  }

  cairn_embedder* embedder_;
  std::unique_lock<std::timed_mutex> lock_;
};

Result<std::size_t> WidthOf(const engine::Embedder& embedder, const cairn_embed_options& o) {
  if (embedder.scores()) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("'{}' scores pairs of texts and makes no embeddings; cairn_rerank is "
                            "for it",
                            embedder.model().path()));
  }
  if (o.dimensions < 0 || o.dimensions > embedder.width()) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("dimensions is {}, expected 0 to {}", o.dimensions, embedder.width()));
  }
  return static_cast<std::size_t>(o.dimensions > 0 ? o.dimensions : embedder.width());
}

Result<void> Embed(cairn_embedder& handle, std::span<const std::string_view> texts,
                   const cairn_embed_options& o, float* values) {
  const engine::Embedder& embedder = *handle.embedder;
  const std::size_t width = OR_RETURN(WidthOf(embedder, o));
  std::vector<engine::EmbedInput> inputs;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    auto input = embedder.Encode(texts[i], o.truncate != 0);
    if (!input) {
      return std::unexpected(std::move(input).error().Within(fmt::format("text {}", i + 1)));
    }
    inputs.push_back(*std::move(input));
  }
  Turn turn = OR_RETURN(Turn::Take(handle, o, texts.size()));
  return turn.Run(
      inputs,
      [&](int input, int, std::span<const float> row) {
        const std::span<float> to(values + static_cast<std::size_t>(input) * width, width);
        std::copy_n(row.begin(), width, to.begin());
        if (o.raw == 0) embedder.Normalise(to);
      },
      o, texts.size());
}

Result<void> Rerank(cairn_embedder& handle, std::string_view query,
                    std::span<const std::string_view> documents, const cairn_embed_options& o,
                    double* scores) {
  if (o.dimensions != 0 || o.raw != 0) {
    return Fail(ErrorCode::kInvalidArgument, "dimensions and raw are of cairn_embed alone");
  }
  const engine::Embedder& embedder = *handle.embedder;
  const auto inputs = OR_RETURN(engine::RankInputs(embedder, query, documents, o.truncate != 0));
  engine::Ranking ranking;
  Turn turn = OR_RETURN(Turn::Take(handle, o, documents.size()));
  OR_RETURN(turn.Run(
      inputs,
      [&](int input, int, std::span<const float> row) { ranking.Take(embedder, input, row); }, o,
      documents.size()));
  std::ranges::copy(ranking.Scores(), scores);
  return {};
}

}  // namespace
}  // namespace cairn::capi

using namespace cairn;        // NOLINT(google-build-using-namespace): definitions of cairn.h
using namespace cairn::capi;  // NOLINT(google-build-using-namespace)

void cairn_embedder_options_init(cairn_embedder_options* options, size_t size) {
  InitStruct(options, size, kEmbedderOptionsV0, EmbedderDefaults());
}

cairn_status cairn_embedder_open(const cairn_model* model, const cairn_embedder_options* options,
                                 cairn_embedder** embedder, cairn_error** error) {
  return Guard(error, [&]() -> Result<void> {
    OR_RETURN(NeedPointer(model, "model"));
    OR_RETURN(NeedPointer(embedder, "place for the embedder"));
    const cairn_embedder_options o = OR_RETURN(
        ReadStruct("cairn_embedder_options", options, kEmbedderOptionsV0, EmbedderDefaults()));
    auto made = std::make_unique<cairn_embedder>();
    made->embedder = OR_RETURN(Open(*model, o));
    *embedder = made.release();
    return {};
  });
}

void cairn_embedder_free(cairn_embedder* embedder) { delete embedder; }

cairn_status cairn_embedder_describe(const cairn_embedder* embedder, cairn_embedder_info* info,
                                     cairn_error** error) {
  return Guard(error, [&]() -> Result<void> {
    OR_RETURN(NeedPointer(embedder, "embedder"));
    engine::Embedder& e = *embedder->embedder;
    const cairn_embedder_info filled{
        .size = sizeof(cairn_embedder_info),
        .isa = kernels::IsaName(e.engine().isa()).data(),
        .context = e.most_tokens(),
        .width = e.width(),
        .scores = e.scores() ? 1 : 0,
        .threads = e.engine().threads(),
    };
    return WriteStruct("cairn_embedder_info", info, kEmbedderInfoV0, filled);
  });
}

void cairn_embed_options_init(cairn_embed_options* options, size_t size) {
  InitStruct(options, size, kEmbedOptionsV0, EmbedDefaults());
}

cairn_status cairn_embed(cairn_embedder* embedder, const char* const* texts, const size_t* lengths,
                         size_t count, const cairn_embed_options* options, float* values,
                         cairn_error** error) {
  return Guard(error, [&]() -> Result<void> {
    OR_RETURN(NeedPointer(embedder, "embedder"));
    const cairn_embed_options o = OR_RETURN(Read(options));
    const auto list = OR_RETURN(TextsOf("text", texts, lengths, count));
    if (count > 0) OR_RETURN(NeedPointer(values, "place for the values"));
    return Embed(*embedder, list, o, values);
  });
}

cairn_status cairn_rerank(cairn_embedder* embedder, const char* query, size_t length,
                          const char* const* documents, const size_t* lengths, size_t count,
                          const cairn_embed_options* options, double* scores, cairn_error** error) {
  return Guard(error, [&]() -> Result<void> {
    OR_RETURN(NeedPointer(embedder, "embedder"));
    const cairn_embed_options o = OR_RETURN(Read(options));
    const std::string_view text = OR_RETURN(NeedText(query, length, "query"));
    const auto list = OR_RETURN(TextsOf("document", documents, lengths, count));
    if (count > 0) OR_RETURN(NeedPointer(scores, "place for the scores"));
    return Rerank(*embedder, text, list, o, scores);
  });
}
