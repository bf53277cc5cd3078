// SPDX-License-Identifier: Apache-2.0
// Answers every line of standard input, 32 of them at once; each answer is the same as it would be
// alone. Usage: many MODEL [TOKENS]
#include <cairn/cairn.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  const auto fail = [](const cairn::Error& error) {
    std::cerr << "many: " << error.message << '\n';
    return 1;
  };
  auto model = cairn::Model::Open(argc > 1 ? argv[1] : "smollm2");
  if (!model) return fail(model.error());
  cairn_engine_options options = cairn::EngineOptions();
  options.sequences = 32;
  auto engine = cairn::Engine::Open(*model, options);
  if (!engine) return fail(engine.error());

  cairn_generate_options sampling = cairn::GenerateOptions();
  sampling.max_tokens = argc > 2 ? std::atoi(argv[2]) : 64;
  std::vector<cairn::Request> requests;  // the engine takes 32 of them, the others wait
  for (std::string line; std::getline(std::cin, line);) {
    auto chat = cairn::Chat::Open(*engine);
    if (!chat) return fail(chat.error());
    auto request = chat->Submit(line, sampling);
    if (!request) return fail(request.error());
    requests.push_back(*std::move(request));
  }
  std::size_t tokens = 0;
  const auto start = std::chrono::steady_clock::now();
  for (cairn::Request& request : requests) {
    auto answer = request.Wait();  // makes steps for all of them
    if (!answer) return fail(answer.error());
    tokens += answer->tokens.size();
    std::cout << answer->text << "\n---\n";
  }
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  std::fprintf(stderr, "%zu answers, %zu tokens, %.1f tokens/s\n", requests.size(), tokens,
               static_cast<double>(tokens) / taken.count());
}
