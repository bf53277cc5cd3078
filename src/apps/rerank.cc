// SPDX-License-Identifier: Apache-2.0
// cairn rerank: lines of text by how well they fit a query.
#include "engine/rerank.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <numeric>

#include "apps/command.h"
#include "apps/embed_options.h"
#include "apps/open.h"
#include "apps/options.h"
#include "apps/text.h"
#include "model/utf8.h"

namespace cairn::apps {
namespace {

struct RerankOptions {
  std::string model;
  std::string query;
  std::string file = "-";
  EmbedderChoice choice;
  std::int64_t top = 0;  // 0: all
  bool json = false;
};

Result<void> Rerank(const RerankOptions& o, Console& console) {
  const std::string query = OR_RETURN(ReadArgument(o.query));
  const std::string text = OR_RETURN(o.file == "-" ? ReadStandardInput() : ReadTextFile(o.file));
  const auto embedder = OR_RETURN(OpenEmbedder(o.model, o.choice, console));
  const std::vector<std::string_view> lines = LinesOf(text);
  const std::vector<double> scores =
      OR_RETURN(engine::Rerank(*embedder, query, lines, o.choice.truncate));
  std::vector<std::size_t> order(lines.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::greater{}, [&](std::size_t i) { return scores[i]; });
  if (o.top > 0) order.resize(std::min(order.size(), static_cast<std::size_t>(o.top)));
  boost::json::array results;
  for (const std::size_t i : order) {
    if (o.json) {
      std::string line;
      model::AppendWellFormed(lines[i], line);
      results.push_back(boost::json::object{{"line", i + 1}, {"score", scores[i]}, {"text", line}});
    } else if (!console.Write(fmt::format("{:9.4f} {:6}  {}\n", scores[i], i + 1, lines[i]))) {
      return {};
    }
  }
  if (o.json) {
    console.WriteJson(boost::json::object{{"score", embedder->scores() ? "logit" : "cosine"},
                                          {"results", std::move(results)}});
  }
  return {};
}

}  // namespace

void AddRerank(CLI::App& app, Chosen& chosen) {
  auto o = std::make_shared<RerankOptions>();
  CLI::App* command =
      NewCommand(app, kTalk, "rerank", "Lines of text by how well they fit a query",
                 "cairn rerank minilm \"who wrote Persuasion?\" passages.txt --top 3\n"
                 "cairn rerank ./bge-reranker.gguf @question.txt passages.txt --json");
  AddModel(*command, o->model);
  command->add_option("QUERY", o->query, "The query; @FILE is a file's text")
      ->type_name("")
      ->required();
  command->add_option("FILE", o->file, "A document a line; - is standard input (default)")
      ->type_name("");
  command->add_option("--top", o->top, "Only the best N")
      ->type_name("N")
      ->check(WholeNumber(1, kMostContextTokens));
  AddEmbedderChoice(*command, o->choice);
  AddJson(*command, o->json);
  OnChosen(*command, chosen, o, Rerank);
}

}  // namespace cairn::apps
