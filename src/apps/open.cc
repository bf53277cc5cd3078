// SPDX-License-Identifier: Apache-2.0
#include "apps/open.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>

#include "apps/text.h"
#include "engine/machine.h"
#include "kv/layout.h"

namespace cairn::apps {

Result<model::Store> OpenStore() {
  model::StoreOptions options;
  options.folder = OR_RETURN(model::ModelFolder(
      std::getenv("CAIRN_HOME"), std::getenv("XDG_CACHE_HOME"), std::getenv("HOME")));
  options.others =
      model::OtherFoldersOf([](const char* name) -> const char* { return std::getenv(name); });
  return model::Store(std::move(options));
}

model::PullSink ShowProgress(Console& console, std::string name) {
  using Clock = std::chrono::steady_clock;
  auto shown = std::make_shared<Clock::time_point>();
  auto waited = std::make_shared<bool>(false);
  return [&console, name = std::move(name), shown, waited](const model::PullProgress& progress) {
    if (progress.phase == model::PullPhase::kWaiting) {
      if (!*waited) console.Note("another cairn is pulling into the model folder; waiting for it");
      *waited = true;
      return;
    }
    const Clock::time_point now = Clock::now();
    const bool last = progress.done == progress.total;
    if (now - *shown < std::chrono::milliseconds(100) && !last) return;
    *shown = now;
    constexpr std::uint64_t kCells = 30;
    const std::uint64_t total = std::max<std::uint64_t>(1, progress.total);
    const std::uint64_t cells = progress.done * kCells / total;
    console.Progress(
        fmt::format("{} {} [{}{}] {} of {}", name,
                    progress.phase == model::PullPhase::kFetching ? "fetching" : "checking",
                    std::string(cells, '#'), std::string(kCells - cells, '.'),
                    HumanBytes(progress.done), HumanBytes(progress.total)));
  };
}

Result<std::string> FindModel(const std::string& name, Console& console) {
  const model::Store store = OR_RETURN(OpenStore());
  model::Located located = OR_RETURN(store.Locate(name));
  if (located.missing == nullptr) return std::move(located.path);
  console.Note(fmt::format("{} is not here yet; fetching it into {} ({})", name, store.folder(),
                           HumanBytes(located.missing->bytes)));
  auto path = store.Pull(*located.missing, ShowProgress(console, name));
  console.EndProgress();
  return path;
}

Result<kernels::Isa> ChosenIsa() {
  const char* forced = std::getenv("CAIRN_ISA");
  return kernels::ChooseIsa(forced == nullptr ? std::nullopt
                                              : std::optional<std::string_view>(forced));
}

std::string ForcedPreTokenizer() {
  const char* forced = std::getenv(kPreVariable);
  return forced == nullptr ? "" : forced;
}

Result<OpenedFile> OpenFile(const std::string& name, Console& console) {
  std::string path = OR_RETURN(FindModel(name, console));
  model::GgufFile opened = OR_RETURN(model::OpenModelFile(path));
  return OpenedFile{std::move(path), std::move(opened.file), std::move(opened.gguf)};
}

Result<OpenedTokenizer> OpenTokenizer(const std::string& name, Console& console) {
  OpenedFile opened = OR_RETURN(OpenFile(name, console));
  const auto named = [&](Error error) {
    return std::unexpected(std::move(error).Within("'" + opened.path + "'"));
  };
  auto vocabulary = model::ReadVocabulary(opened.gguf, ForcedPreTokenizer());
  if (!vocabulary) return named(std::move(vocabulary).error());
  auto tokenizer = model::Tokenizer::Create(std::move(*vocabulary));
  if (!tokenizer) return named(std::move(tokenizer).error());
  return OpenedTokenizer{std::move(opened), std::move(*tokenizer)};
}

namespace {

using LoadedModel = std::shared_ptr<const model::Model>;

Result<LoadedModel> Load(const std::string& path, const EngineWish& wish) {
  return model::Model::Load(path, {.threads = wish.threads, .pre = ForcedPreTokenizer()});
}

Result<std::unique_ptr<engine::Engine>> Run(LoadedModel model, const EngineWish& wish) {
  const kernels::Isa isa = OR_RETURN(ChosenIsa());
  return engine::Engine::Create(std::move(model), {.threads = wish.threads,
                                                   .isa = isa,
                                                   .kv = wish.kv,
                                                   .context = wish.context,
                                                   .kv_memory_bytes = wish.kv_memory,
                                                   .kv_backend = wish.kv_backend,
                                                   .step_rows = wish.step_rows,
                                                   .step_sequences = wish.step_sequences,
                                                   .pinned = wish.pinned,
                                                   .observer = wish.observer,
                                                   .inputs = wish.inputs});
}

double KvBytesPerToken(const model::Model& model, kernels::KvFormat format) {
  return static_cast<double>(kv::LayOutOf(model.program(), format).bytes_per_token());
}

}  // namespace

Result<std::unique_ptr<engine::Engine>> OpenEngineOf(const std::string& path,
                                                     const EngineWish& wish) {
  return Run(OR_RETURN(Load(path, wish)), wish);
}

Result<std::unique_ptr<engine::Engine>> OpenEngine(const std::string& name, const EngineWish& wish,
                                                   Console& console) {
  OR_RETURN(ChosenIsa());  // before a model is pulled and loaded
  return OpenEngineOf(OR_RETURN(FindModel(name, console)), wish);
}

Result<std::string> FindDraft(const Proposals& proposals, Console& console) {
  if (proposals.draft.empty()) return std::string();
  return FindModel(proposals.draft, console);
}

Result<Answerer> OpenAnswerer(const std::string& path, const EngineWish& wish,
                              const Proposals& proposals, Console& console) {
  Answerer answerer;
  answerer.from_text = proposals.by == Proposals::By::kText;
  if (proposals.by != Proposals::By::kDraft) {
    answerer.engine = OR_RETURN(OpenEngine(path, wish, console));
    return answerer;
  }
  OR_RETURN(ChosenIsa());
  LoadedModel model = OR_RETURN(Load(path, wish));
  LoadedModel small = OR_RETURN(Load(OR_RETURN(FindModel(proposals.draft, console)), wish));
  if (auto same = engine::CheckSameVocabulary(small->tokenizer(), model->tokenizer()); !same) {
    return std::unexpected(
        std::move(same).error().Within(fmt::format("'{}' for '{}'", small->path(), model->path())));
  }
  for (const LoadedModel& each : {model, small}) {
    if (each->program().states.empty()) continue;
    return Fail(
        ErrorCode::kUnsupported,
        fmt::format("'{}' has states, which cannot be rolled back to before a guess that was "
                    "wrong; leave out --draft",
                    each->path()));
  }
  const std::size_t budget =
      wish.kv_memory > 0 ? wish.kv_memory : engine::AvailableMemoryBytes() / 2;
  const double own = KvBytesPerToken(*model, wish.kv);
  const double share = own / (own + KvBytesPerToken(*small, wish.kv));
  EngineWish ours = wish;
  ours.kv_memory =
      std::max<std::size_t>(1, static_cast<std::size_t>(share * static_cast<double>(budget)));
  answerer.engine = OR_RETURN(Run(model, ours));
  EngineWish theirs = wish;
  theirs.kv_memory = std::max<std::size_t>(1, budget - std::min(budget, ours.kv_memory));
  theirs.context = std::min(answerer.engine->context(), small->context_length());
  theirs.observer = nullptr;
  const int vocabulary = small->tokenizer().size();
  std::shared_ptr<engine::Engine> drafter = OR_RETURN(Run(std::move(small), theirs));
  answerer.draft = std::make_shared<engine::Draft>(std::move(drafter),
                                                   engine::DraftOptions{.vocabulary = vocabulary});
  return answerer;
}

}  // namespace cairn::apps
