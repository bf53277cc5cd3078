// SPDX-License-Identifier: Apache-2.0
// Every line of standard input as a row of numbers; texts that mean alike get rows whose product is
// near 1. Usage: embed MODEL
#include <cairn/cairn.hpp>
#include <cstdio>
#include <iostream>
#include <string>

int main(int argc, char** argv) {
  const auto fail = [](const cairn::Error& error) {
    std::cerr << "embed: " << error.message << '\n';
    return 1;
  };
  cairn_model_options options = cairn::ModelOptions();
  options.embed = CAIRN_EMBED_POOLED;  // embeddings also of models that were made for answers
  auto model = cairn::Model::Open(argc > 1 ? argv[1] : "minilm", options);
  if (!model) return fail(model.error());
  auto embedder = cairn::Embedder::Open(*model);
  if (!embedder) return fail(embedder.error());

  cairn::Texts texts;
  for (std::string line; std::getline(std::cin, line);) texts.push_back(line);
  auto values = embedder->Embed(texts);  // all at once: texts share steps
  if (!values) return fail(values.error());
  const auto width = static_cast<std::size_t>(embedder->info().width);
  for (std::size_t i = 0; i < values->size(); ++i) {
    std::printf("%.9g%c", double{(*values)[i]}, (i + 1) % width == 0 ? '\n' : ' ');
  }
}
