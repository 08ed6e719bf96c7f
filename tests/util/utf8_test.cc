#include "util/utf8.h"

#include <gtest/gtest.h>

namespace inference {
namespace {

void ExpectInvalid(std::string_view text) {
  const Utf8Char c = DecodeUtf8(text, 0);
  EXPECT_FALSE(c.valid) << testing::PrintToString(text);
  EXPECT_EQ(c.length, 1u);
  EXPECT_EQ(c.code_point, 0xFFFDu);
  EXPECT_FALSE(IsValidUtf8(text));
}

TEST(Utf8, EveryCodePointComesBack) {
  for (uint32_t code_point = 0; code_point <= 0x10FFFF; ++code_point) {
    if (code_point >= 0xD800 && code_point <= 0xDFFF) continue;
    std::string text;
    AppendUtf8(text, code_point);
    const Utf8Char c = DecodeUtf8(text, 0);
    ASSERT_TRUE(c.valid) << code_point;
    ASSERT_EQ(c.code_point, code_point);
    ASSERT_EQ(c.length, text.size());
  }
}

TEST(Utf8, LengthsAtTheBoundaries) {
  struct Case {
    uint32_t code_point;
    std::string_view text;
  };
  constexpr Case kCases[] = {
      {0x7F, "\x7F"},
      {0x80, "\xC2\x80"},
      {0x7FF, "\xDF\xBF"},
      {0x800, "\xE0\xA0\x80"},
      {0xD7FF, "\xED\x9F\xBF"},
      {0xE000, "\xEE\x80\x80"},
      {0xFFFF, "\xEF\xBF\xBF"},
      {0x10000, "\xF0\x90\x80\x80"},
      {0x10FFFF, "\xF4\x8F\xBF\xBF"},
  };
  for (const Case& c : kCases) {
    std::string text;
    AppendUtf8(text, c.code_point);
    EXPECT_EQ(text, c.text);
    EXPECT_EQ(DecodeUtf8(c.text, 0).code_point, c.code_point);
  }
}

TEST(Utf8, RefusesOverlongForms) {
  ExpectInvalid("\xC0\x80");
  ExpectInvalid("\xC1\xBF");
  ExpectInvalid("\xE0\x80\x80");
  ExpectInvalid("\xE0\x9F\xBF");
  ExpectInvalid("\xF0\x80\x80\x80");
  ExpectInvalid("\xF0\x8F\xBF\xBF");
}

TEST(Utf8, RefusesSurrogatesAndValuesPastTheEnd) {
  ExpectInvalid("\xED\xA0\x80");
  ExpectInvalid("\xED\xBF\xBF");
  ExpectInvalid("\xF4\x90\x80\x80");
  ExpectInvalid("\xF5\x80\x80\x80");
  ExpectInvalid("\xFE");
  ExpectInvalid("\xFF");
}

TEST(Utf8, RefusesStrayAndMissingContinuations) {
  ExpectInvalid("\x80");
  ExpectInvalid("\xBF");
  ExpectInvalid("\xC3");
  ExpectInvalid("\xC3(");
  ExpectInvalid("\xE2\x82");
  ExpectInvalid("\xE2\x82(");
  ExpectInvalid("\xF0\x9F\x98");
  ExpectInvalid("\xF0\x9F\x98(");
}

TEST(Utf8, DecodesInTheMiddle) {
  const std::string text = "a\xE2\x82\xACz";
  EXPECT_EQ(DecodeUtf8(text, 1).code_point, 0x20ACu);
  EXPECT_EQ(DecodeUtf8(text, 4).code_point, 'z');
  EXPECT_FALSE(DecodeUtf8(text, 2).valid);
  EXPECT_TRUE(IsValidUtf8(text));
  EXPECT_TRUE(IsValidUtf8(""));
  EXPECT_TRUE(IsValidUtf8(std::string_view("\0", 1)));
}

TEST(Utf8, IncompleteTail) {
  EXPECT_EQ(IncompleteUtf8Tail(""), 0u);
  EXPECT_EQ(IncompleteUtf8Tail("abc"), 0u);
  EXPECT_EQ(IncompleteUtf8Tail("a\xE2\x82\xAC"), 0u);
  EXPECT_EQ(IncompleteUtf8Tail("a\xC3"), 1u);
  EXPECT_EQ(IncompleteUtf8Tail("a\xE2"), 1u);
  EXPECT_EQ(IncompleteUtf8Tail("a\xE2\x82"), 2u);
  EXPECT_EQ(IncompleteUtf8Tail("a\xF0"), 1u);
  EXPECT_EQ(IncompleteUtf8Tail("a\xF0\x9F"), 2u);
  EXPECT_EQ(IncompleteUtf8Tail("a\xF0\x9F\x98"), 3u);
  EXPECT_EQ(IncompleteUtf8Tail("\xF0\x9F\x98\x80"), 0u);
}

TEST(Utf8, IncompleteTailOfWhatCannotBecomeValid) {
  EXPECT_EQ(IncompleteUtf8Tail("\xFF"), 0u);
  EXPECT_EQ(IncompleteUtf8Tail("\x80"), 0u);
  EXPECT_EQ(IncompleteUtf8Tail("\x80\x80\x80\x80"), 0u);
  EXPECT_EQ(IncompleteUtf8Tail("\xC0"), 0u);
  EXPECT_EQ(IncompleteUtf8Tail("\xE0\x80"), 0u) << "overlong";
  EXPECT_EQ(IncompleteUtf8Tail("\xED\xA0"), 0u) << "a surrogate";
  EXPECT_EQ(IncompleteUtf8Tail("\xF4\x90\x80"), 0u) << "past U+10FFFF";
}

}  // namespace
}  // namespace inference
