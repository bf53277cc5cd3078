// SPDX-License-Identifier: Apache-2.0
#include "apps/usage_error.h"

#include <gtest/gtest.h>

namespace cairn::apps {
namespace {

TEST(UsageErrorTest, NearestIsAWordWithFewDifferentLetters) {
  const std::vector<std::string> known = {"run", "chat", "perplexity", "tokenize", "detokenize"};
  EXPECT_EQ(Nearest("chta", known), "chat");
  EXPECT_EQ(Nearest("cart", known), "");  // two letters of four are too many to guess
  EXPECT_EQ(Nearest(std::string(1 << 20, 'x'), known), "");
  EXPECT_EQ(Nearest("chatt", known), "chat");
  EXPECT_EQ(Nearest("rum", known), "run");
  EXPECT_EQ(Nearest("perplex", known), "perplexity");
  EXPECT_EQ(Nearest("tokenise", known), "tokenize");
  EXPECT_EQ(Nearest("jump", known), "");
  EXPECT_EQ(Nearest("", known), "");
}

std::string Explain(std::vector<std::string> arguments) {
  CLI::App app;
  double number = 0;
  bool flag = false;
  std::string model, prompt;
  CLI::App* run = app.add_subcommand("run", "");
  run->add_option("MODEL", model)->required();
  run->add_option("PROMPT", prompt);
  run->add_option("--temp", number)->type_name("T");
  run->add_flag("--json", flag);
  CLI::App* list = app.add_subcommand("list", "");
  list->add_flag("--json", flag);
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    return ExplainUsage(app, error, arguments);
  }
  return "";
}

TEST(UsageErrorTest, SentenceNamesTheArgumentAndTheHelp) {
  EXPECT_EQ(Explain({"run", "m", "p", "--tempp", "1"}),
            "there is no option --tempp (did you mean --temp?); see `cairn run --help`");
  EXPECT_EQ(Explain({"run", "m", "--temp", "1", "--temp", "2"}),
            "--temp was given more than once; see `cairn run --help`");
  EXPECT_EQ(Explain({"run", "m", "--temp"}), "--temp needs a value; see `cairn run --help`");
  EXPECT_EQ(Explain({"run", "m", "two", "words"}),
            "nothing was expected where 'words' stands; a PROMPT of several words stands in "
            "quotes; see `cairn run --help`");
  EXPECT_EQ(Explain({"list", "all"}),
            "nothing was expected where 'all' stands; see `cairn list --help`");
  EXPECT_EQ(Explain({"list", "--json=x"}), "--json takes no value; see `cairn list --help`");
  EXPECT_EQ(Explain({"rin"}),
            "there is no command 'rin' (did you mean run?); `cairn --help` lists them all");
  EXPECT_EQ(Explain({"--frob"}), "there is no option --frob; see `cairn --help`");
}

}  // namespace
}  // namespace cairn::apps
