#include "tokenizer/regex.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace inference {
namespace {

std::vector<std::string> Matches(std::string_view pattern, std::string_view text) {
  TextWork work;
  std::vector<TextRange> ranges;
  Regex(pattern, "test").FindAll(text, work, ranges);
  std::vector<std::string> out;
  for (const TextRange& r : ranges) out.emplace_back(text.substr(r.begin, r.end - r.begin));
  return out;
}

using Strings = std::vector<std::string>;

TEST(Regex, FindsWholeCodePoints) {
  EXPECT_EQ(Matches("\\p{L}+|.", "é日本1"), (Strings{"é日本", "1"}));
  EXPECT_EQ(Matches("x", ""), Strings{});
}

TEST(Regex, EmptyMatchesCountUnlessTheyTouchTheMatchBefore) {
  TextWork work;
  std::vector<TextRange> ranges;
  Regex("a*", "test").FindAll("baé", work, ranges);
  EXPECT_EQ(ranges, (std::vector<TextRange>{{0, 0}, {1, 2}, {4, 4}}));
}

TEST(Regex, OnigurumaMeanings) {
  EXPECT_EQ(Matches("\\s", "\u180E\u0085\u3000\u200B"), (Strings{"\u0085", "\u3000"}));
  EXPECT_EQ(Matches("[^\\s]+", " \u180E "), Strings{"\u180E"});
  EXPECT_EQ(Matches("\\S+", "\u3000\u180E"), Strings{"\u180E"});
  EXPECT_EQ(Matches("\\w+", "a_\u0301\u203F-"), Strings{"a_\u0301\u203F"});
  EXPECT_EQ(Matches("\\W", "a-"), Strings{"-"});
  EXPECT_EQ(Matches("\\h+\\H", "1fg"), Strings{"1fg"});
  EXPECT_EQ(Matches("[\\h_]+", "_fg"), Strings{"_f"});
  EXPECT_EQ(Matches("^a$", "b\na\nb"), Strings{"a"});  // every line
  EXPECT_EQ(Matches("(?i:'s)", "'S'\u017F"), (Strings{"'S", "'\u017F"}));
  EXPECT_EQ(Matches("[[:alpha:]]+", "ab1"), Strings{"ab"});
  EXPECT_EQ(Matches("[]a]+", "]a"), Strings{"]a"});
  EXPECT_EQ(Matches("[a[bc]d]+", "xabcd[]"), Strings{"abcd"});
  EXPECT_EQ(Matches("[^a[bc]]+", "ax[c"), Strings{"x["});
}

TEST(Regex, SyntaxThatTheEnginesReadDifferentlyIsUnsupported) {
  for (const char* pattern : {"(*UTF)a", "[a&&b]", "[a[^b]]", "[a[b[c]]]", "[a[]b]]", "[a-[b]]",
                              "[a[-b]]", "(?m)a", "(?im:a)", "[\\W]"}) {
    ExpectError(Status::kUnsupported, {"test: pattern", "not supported"},
                [&] { Regex(pattern, "test"); });
  }
}

TEST(Regex, BadPatternsNameThePlace) {
  ExpectError(Status::kFormat, {"test: pattern '(a'", "missing closing parenthesis", "at byte 2"},
              [] { Regex("(a", "test"); });
  ExpectError(Status::kFormat, {"test: pattern"}, [] { Regex("a\\", "test"); });
  ExpectError(Status::kFormat, {"test: pattern"}, [] { Regex("\\C", "test"); });
  ExpectError(Status::kLimit, {"pattern of 100000 bytes"},
              [] { Regex(std::string(100000, 'a'), "test"); });
}

TEST(Regex, CatastrophicPatternEndsWithLimit) {
  ExpectError(Status::kLimit, {"test: pattern fails at byte 0", "match limit"},
              [] { Matches("(a|aa)+$", std::string(64, 'a') + "!"); });
}

TEST(Regex, DeepBacktrackingGetsALargerStack) {
  const std::string text(100000, 'a');
  EXPECT_EQ(Matches("(?:a|b)*c|a+", text), Strings{text});
}

}  // namespace
}  // namespace inference
