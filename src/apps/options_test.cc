// SPDX-License-Identifier: Apache-2.0
#include "apps/options.h"

#include <gtest/gtest.h>

#include "apps/chat_settings.h"

namespace cairn::apps {
namespace {

bool Accepts(const CLI::Validator& check, std::string text) { return check(text).empty(); }

TEST(OptionsTest, WholeNumberTakesTheRangeAndNothingElse) {
  const CLI::Validator check = WholeNumber(1, 256);
  for (const char* good : {"1", "256", "+7", "007"}) EXPECT_TRUE(Accepts(check, good)) << good;
  for (const char* bad : {"0", "257", "-1", "", " 1", "1 ", "1.0", "1e2", "0x10", "abc", "++1",
                          "99999999999999999999"}) {
    EXPECT_FALSE(Accepts(check, bad)) << bad;
  }
}

TEST(OptionsTest, NumberRefusesWhatIsNotFinite) {
  EXPECT_TRUE(Accepts(Number(0, 100), "0"));
  EXPECT_TRUE(Accepts(Number(-10, 10), "-2.5e0"));
  for (const char* bad : {"nan", "inf", "-inf", "1e999", "-0.1", "100.1", "", "1,5", "1f"}) {
    EXPECT_FALSE(Accepts(Number(0, 100), bad)) << bad;
  }
  EXPECT_FALSE(Accepts(NumberAbove(0, 1), "0"));
  EXPECT_TRUE(Accepts(NumberAbove(0, 1), "1"));
}

TEST(OptionsTest, RefusalNamesRangeAndText) {
  std::string text = "-5";
  EXPECT_EQ(WholeNumber(1, 9)(text), "expected a whole number from 1 to 9, got '-5'");
}

TEST(OptionsTest, SizesAreBytesOrBinaryUnits) {
  const CLI::Validator within = ByteSizeIn("1K", "1M");
  for (std::string text : {"1K", "1024", "512k", "1M"}) EXPECT_EQ(within(text), "") << text;
  for (std::string text : {"1023", "1025K", "2M", "0", "", "x"}) {
    EXPECT_NE(within(text).find("from 1K to 1M"), std::string::npos) << text;
  }
  std::string zero = "0", none = "x", size = "64M";
  EXPECT_EQ(ByteSizeOrZero()(zero), "");
  EXPECT_EQ(ByteSizeOrZero()(size), "");
  EXPECT_NE(ByteSizeOrZero()(none), "");
  const CLI::Validator check = ByteSize();
  for (const auto& [text, bytes] : {std::pair<const char*, std::size_t>{"1", 1},
                                    {"4096", 4096},
                                    {"3k", 3 << 10},
                                    {"512M", 512u << 20},
                                    {"2g", std::size_t{2} << 30},
                                    {"1T", std::size_t{1} << 40},
                                    {"1048576T", std::size_t{1} << 60}}) {
    EXPECT_TRUE(Accepts(check, text)) << text;
    EXPECT_EQ(ParseByteSize(text), bytes) << text;
  }
  for (const char* bad : {"", "0", "0G", "M", "-1", "1.5G", "1 G", "G1", "1GB", "1X", "1048577T",
                          "1152921504606846977", "99999999999999999999"}) {
    EXPECT_FALSE(Accepts(check, bad)) << bad;
  }
}

TEST(OptionsTest, ListsAreParsedAsTheyAreChecked) {
  const CLI::Validator check = WholeNumbers(0, 100);
  EXPECT_TRUE(Accepts(check, "1,22,+3"));
  EXPECT_EQ(ParseWholeNumbers("1,22,+3"), (std::vector<std::int64_t>{1, 22, 3}));
  for (const char* bad : {"", ",", "1,", ",1", "1,,2", "1;2", "1,101", "1,-1"}) {
    EXPECT_FALSE(Accepts(check, bad)) << bad;
  }
}

TEST(ChatSettingsTest, SetChangesOnlyWhatIsNamed) {
  ChatSettings settings;
  ASSERT_TRUE(settings.Set("temp", "0.25"));
  ASSERT_TRUE(settings.Set("stats", "on"));
  EXPECT_EQ(settings.sampling.temperature, 0.25f);
  EXPECT_EQ(settings.sampling.top_k, engine::SamplingOptions().top_k);
  EXPECT_TRUE(settings.stats);
  EXPECT_FALSE(settings.Set("temp", "-1"));
  EXPECT_EQ(settings.sampling.temperature, 0.25f);
  EXPECT_FALSE(settings.Set("temperature", "1"));
}

}  // namespace
}  // namespace cairn::apps
