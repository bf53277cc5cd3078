// SPDX-License-Identifier: Apache-2.0
#include "apps/embed_options.h"

#include <array>

#include "apps/open.h"
#include "apps/options.h"

namespace cairn::apps {
namespace {

using program::Pooling;
constexpr std::array<std::pair<std::string_view, Pooling>, 4> kPoolings{{
    {"none", Pooling::kNone},
    {"mean", Pooling::kMean},
    {"cls", Pooling::kFirst},
    {"last", Pooling::kLast},
}};

std::optional<Pooling> PoolingOfName(std::string_view name) {
  for (const auto& [word, pooling] : kPoolings) {
    if (word == name) return pooling;
  }
  return std::nullopt;
}

}  // namespace

void AddEmbedderChoice(CLI::App& command, EmbedderChoice& choice) {
  command
      .add_option_function<std::string>(
          "--pooling", [&choice](const std::string& name) { choice.pooling = PoolingOfName(name); },
          "How the rows of a text become one: mean, cls (the first), last, or none (default: what "
          "the model says)")
      ->type_name("KIND")
      ->check(CLI::Validator(
          [](std::string& name) -> std::string {
            if (PoolingOfName(name)) return {};
            return "expected none, mean, cls or last, got '" + name.substr(0, 40) + "'";
          },
          ""));
  AddContext(command, choice.most_tokens,
             "Most tokens of a text (default: what the model has, at most 8192)");
  command.add_flag("--truncate", choice.truncate,
                   "Cut texts that are too long at their end; without it they are an error");
  AddThreads(command, choice.threads);
  AddPin(command, choice.pinned);
}

Result<std::unique_ptr<engine::Embedder>> OpenEmbedder(const std::string& name,
                                                       const EmbedderChoice& choice,
                                                       Console& console) {
  OR_RETURN(ChosenIsa());  // before a model is pulled and loaded
  return OpenEmbedderOf(OR_RETURN(FindModel(name, console)), choice);
}

Result<std::unique_ptr<engine::Embedder>> OpenEmbedderOf(const std::string& path,
                                                         const EmbedderChoice& choice) {
  const kernels::Isa isa = OR_RETURN(ChosenIsa());
  auto model =
      OR_RETURN(model::Model::Load(path, {.threads = choice.threads,
                                          .pre = ForcedPreTokenizer(),
                                          .use = {.embed = true, .pooling = choice.pooling}}));
  return engine::Embedder::Create(std::move(model), {.threads = choice.threads,
                                                     .isa = isa,
                                                     .pinned = choice.pinned,
                                                     .most_tokens = choice.most_tokens});
}

std::vector<std::string_view> LinesOf(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
  }
  return lines;
}

}  // namespace cairn::apps
