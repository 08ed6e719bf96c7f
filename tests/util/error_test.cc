#include "util/error.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "support/expect_error.h"

namespace inference {
namespace {

TEST(Error, FailCarriesStatusAndMessage) {
  ExpectError(Status::kFormat, {"a.gguf: version: is 9, expected 3"},
              [] { Fail(Status::kFormat, "{}: version: is {}, expected {}", "a.gguf", 9, 3); });
}

TEST(Error, RequireThrowsOnlyWhenFalse) {
  EXPECT_NO_THROW(Require(true, Status::kArg, "unused {}", 1));
  ExpectError(Status::kArg, {"n: is 2"}, [] { Require(false, Status::kArg, "n: is {}", 2); });
}

TEST(Error, CarriesDomainAndSubCode) {
  const Error error(Status::kIo, "text", Domain::kErrno, EIO);
  EXPECT_EQ(error.domain(), Domain::kErrno);
  EXPECT_EQ(error.sub(), EIO);
  EXPECT_EQ(Error(Status::kIo, "text").domain(), Domain::kNone);
}

TEST(Error, FailErrnoCarriesTheCode) {
  try {
    FailErrno(Status::kIo, "a.gguf", "cannot read", EIO);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "a.gguf: cannot read: Input/output error");
    EXPECT_EQ(error.status(), Status::kIo);
    EXPECT_EQ(error.domain(), Domain::kErrno);
    EXPECT_EQ(error.sub(), EIO);
  }
}

TEST(Quote, KeepsPlainAndMultibyteText) {
  EXPECT_EQ(Quote(""), "''");
  EXPECT_EQ(Quote("model.norm"), "'model.norm'");
  EXPECT_EQ(Quote("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"),
            "'\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80'");
}

TEST(Quote, EscapesControlBytesAndBadUtf8) {
  EXPECT_EQ(Quote("a\nb\x7F"), "'a\\x0ab\\x7f'");
  EXPECT_EQ(Quote(std::string_view("\0x", 2)), "'\\x00x'");
  EXPECT_EQ(Quote("\xC3(\xFF"), "'\\xc3(\\xff'");
  EXPECT_EQ(Quote("\xED\xA0\x80"), "'\\xed\\xa0\\x80'") << "a surrogate";
  EXPECT_EQ(Quote("%n{}"), "'%n{}'");
}

TEST(Quote, ClipsAndStaysValid) {
  const std::string quoted = Quote(std::string(10'000, 'x'));
  EXPECT_LE(quoted.size(), 262u);
  EXPECT_TRUE(quoted.ends_with("...'"));
  EXPECT_EQ(Quote(std::string(255, 'x')), "'" + std::string(255, 'x') + "'");
  EXPECT_TRUE(Quote(std::string(1'000, '\xFF')).size() <= 265);
}

}  // namespace
}  // namespace inference
