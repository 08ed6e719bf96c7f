#include "util/file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <iterator>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "support/expect_error.h"
#include "support/not_root.h"
#include "support/open_watch.h"
#include "support/temp_dir.h"

namespace inference {
namespace {

namespace fs = std::filesystem;

std::string ReadString(const File& file, uint64_t offset, size_t bytes) {
  std::string out(bytes, '\0');
  file.ReadAt(offset, std::as_writable_bytes(std::span(out)));
  return out;
}

void WriteAtomically(const std::string& path, std::string_view content) {
  WriteFileAtomically(path, std::as_bytes(std::span(content)));
}

TEST(File, ReadsAnywhere) {
  const TempDir dir;
  const File file = File::Open(dir.Write("a", "0123456789"));
  EXPECT_EQ(file.size(), 10u);
  EXPECT_EQ(file.path(), dir.Path("a"));
  EXPECT_EQ(ReadString(file, 0, 10), "0123456789");
  EXPECT_EQ(ReadString(file, 7, 3), "789");
  EXPECT_EQ(ReadString(file, 10, 0), "");
}

TEST(File, MovesItsDescriptor) {
  const TempDir dir;
  File a = File::Open(dir.Write("a", "aaa"));
  File b = std::move(a);
  EXPECT_EQ(ReadString(b, 0, 3), "aaa");
  b = File::Open(dir.Write("b", "bb"));
  EXPECT_EQ(ReadString(b, 0, 2), "bb");
  EXPECT_EQ(b.size(), 2u);
}

TEST(File, ShortReadNamesSizes) {
  const TempDir dir;
  const File file = File::Open(dir.Write("a", "0123456789"));
  ExpectError(Status::kIo, {dir.Path("a"), "ends at byte 10, expected 8 bytes at 5"},
              [&] { ReadString(file, 5, 8); });
  ExpectError(Status::kIo, {"ends at byte 100"}, [&] { ReadString(file, 100, 1); });
}

TEST(File, TruncatedAfterOpenIsAnError) {
  const TempDir dir;
  const std::string path = dir.Write("a", "0123456789");
  const File file = File::Open(path);
  fs::resize_file(path, 4);
  ExpectError(Status::kIo, {path, "ends at byte 4"}, [&] { ReadString(file, 0, 10); });
}

TEST(File, RefusesWhatIsNoRegularFile) {
  const TempDir dir;
  ExpectError(Status::kPath, {dir.path(), "is a directory, expected a regular file"},
              [&] { File::Open(dir.path()); });
  ASSERT_EQ(mkfifo(dir.Path("fifo").c_str(), 0600), 0);
  ExpectError(Status::kPath, {"fifo", "special file"}, [&] { File::Open(dir.Path("fifo")); });
  ExpectError(Status::kPath, {"/dev/null", "special file"}, [] { File::Open("/dev/null"); });
}

TEST(File, MissingFileCarriesErrno) {
  const TempDir dir;
  try {
    File::Open(dir.Path("nowhere"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), Status::kNotFound);
    EXPECT_EQ(error.domain(), Domain::kErrno);
    EXPECT_EQ(error.sub(), ENOENT);
    EXPECT_NE(std::string(error.what()).find(dir.Path("nowhere")), std::string::npos);
  }
  const std::string path = dir.Write("a", "");
  ExpectError(Status::kNotFound, {path + "/b"}, [&] { File::Open(path + "/b"); });
}

TEST(File, ReadTextFileHonoursItsLimit) {
  const TempDir dir;
  const std::string path = dir.Write("a", "hello");
  EXPECT_EQ(ReadTextFile(path, 5), "hello");
  EXPECT_EQ(ReadTextFile(dir.Write("empty", ""), 5), "");
  ExpectError(Status::kLimit, {path, "has 5 bytes, at most 4 are read"},
              [&] { ReadTextFile(path, 4); });
}

TEST(File, KindsOfPath) {
  const TempDir dir;
  const std::string path = dir.Write("a", "");
  EXPECT_TRUE(FileExists(path));
  EXPECT_FALSE(FileExists(dir.path()));
  EXPECT_FALSE(FileExists(dir.Path("nowhere")));
  EXPECT_TRUE(IsDirectory(dir.path()));
  EXPECT_FALSE(IsDirectory(path));
  EXPECT_FALSE(IsDirectory(dir.Path("nowhere")));
}

TEST(File, ReadsFromSeveralThreads) {
  const TempDir dir;
  std::string content(1 << 16, '\0');
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 31 >> 3);
  const File file = File::Open(dir.Write("a", content));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (size_t at = static_cast<size_t>(t); at + 100 < content.size(); at += 997) {
        EXPECT_EQ(ReadString(file, at, 100), content.substr(at, 100));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(PlainFileName, OnlyNamesWithinAFolder) {
  for (const char* name : {"a", "model-00001-of-00002.safetensors", "x%2f..", "...", "a b"}) {
    EXPECT_TRUE(IsPlainFileName(name)) << name;
  }
  for (const char* name : {"", ".", "..", "/etc/passwd", "../x", "a/../../x", "a/b", "..\\x"}) {
    EXPECT_FALSE(IsPlainFileName(name)) << name;
  }
  EXPECT_FALSE(IsPlainFileName(std::string_view("a\0b", 3)));
  EXPECT_TRUE(IsPlainFileName(std::string(255, 'x')));
  EXPECT_FALSE(IsPlainFileName(std::string(256, 'x')));
}

TEST(OpenIn, ReadsPlainFilesAndLinksThatStayInside) {
  const TempDir dir;
  dir.Write("a", "aaa");
  fs::create_directory(dir.Path("blobs"));
  dir.Write("blobs/b", "bb");
  fs::create_symlink("blobs/b", dir.Path("link"));
  fs::create_symlink("link", dir.Path("chain"));
  fs::create_symlink(dir.Path("blobs/b"), dir.Path("absolute"));
  EXPECT_EQ(ReadString(File::OpenIn(dir.path(), "a"), 0, 3), "aaa");
  for (const char* name : {"link", "chain", "absolute"}) {
    const File file = File::OpenIn(dir.path(), name);
    EXPECT_EQ(ReadString(file, 0, 2), "bb") << name;
    EXPECT_EQ(file.path(), dir.Path(name));
  }
  fs::create_directory_symlink(dir.path(), dir.Path("blobs/up"));
  EXPECT_EQ(File::OpenIn(dir.Path("blobs/up"), "a").size(), 3u)
      << "the folder itself may be a link";
}

TEST(OpenIn, RefusesWhatLeavesTheFolder) {
  const TempDir outside, dir;
  const std::string secret = outside.Write("secret", "s");
  fs::create_symlink(secret, dir.Path("out"));
  fs::create_directory_symlink(outside.path(), dir.Path("sub"));
  fs::create_symlink("sub/secret", dir.Path("parent"));
  fs::create_symlink("loop", dir.Path("loop"));
  fs::create_symlink("gone", dir.Path("dangling"));
  ExpectError(Status::kPath, {dir.Path("out"), secret, "expected a file inside its folder"},
              [&] { File::OpenIn(dir.path(), "out"); });
  ExpectError(Status::kPath, {dir.Path("parent"), secret},
              [&] { File::OpenIn(dir.path(), "parent"); });
  ExpectError(Status::kPath, {dir.Path("loop")}, [&] { File::OpenIn(dir.path(), "loop"); });
  ExpectError(Status::kNotFound, {dir.Path("dangling")},
              [&] { File::OpenIn(dir.path(), "dangling"); });
  ExpectError(Status::kPath, {"'sub/secret' is not a plain file name"},
              [&] { File::OpenIn(dir.path(), "sub/secret"); });
  ExpectError(Status::kNotFound, {dir.Path("nowhere")},
              [&] { File::OpenIn(dir.Path("nowhere"), "a"); });
}

TEST(OpenIn, LinksMayLeadAnywhereWhereAllowed) {
  const TempDir outside, dir;
  const std::string secret = outside.Write("secret", "s");
  const Folder any(dir.path(), /*allow=*/true);
  dir.Write("a", "aa");
  fs::create_symlink(secret, dir.Path("out"));
  fs::create_hard_link(secret, dir.Path("hard"));
  fs::create_symlink("/dev/zero", dir.Path("device"));
  fs::create_symlink(outside.path(), dir.Path("folder"));
  EXPECT_EQ(ReadString(File::OpenIn(any, "a"), 0, 2), "aa");
  EXPECT_EQ(ReadString(File::OpenIn(any, "out"), 0, 1), "s");
  EXPECT_EQ(File::OpenIn(any, "out").path(), dir.Path("out"));
  EXPECT_EQ(ReadString(File::OpenIn(any, "hard"), 0, 1), "s");
  ExpectError(Status::kPath, {"special file"}, [&] { File::OpenIn(any, "device"); });
  ExpectError(Status::kPath, {"is a directory"}, [&] { File::OpenIn(any, "folder"); });
  ExpectError(Status::kPath, {"not a plain file name"}, [&] { File::OpenIn(any, "../x"); });
  ExpectError(Status::kPath, {"or option allow_symlinks"},
              [&] { File::OpenIn(dir.path(), "out"); });
  EXPECT_TRUE(any.Has("folder"));
  EXPECT_FALSE(any.Has("nothing"));
}

TEST(OpenIn, RefusesHardLinksFoldersAndPipes) {
  const TempDir dir;
  dir.Write("a", "a");
  fs::create_hard_link(dir.Path("a"), dir.Path("hard"));
  fs::create_directory(dir.Path("folder"));
  ASSERT_EQ(mkfifo(dir.Path("fifo").c_str(), 0600), 0);
  ExpectError(Status::kPath, {dir.Path("hard"), "has 2 hard links"},
              [&] { File::OpenIn(dir.path(), "hard"); });
  ExpectError(Status::kPath, {"is a directory"}, [&] { File::OpenIn(dir.path(), "folder"); });
  ExpectError(Status::kPath, {"special file"}, [&] { File::OpenIn(dir.path(), "fifo"); });
}

std::string ErrorOf(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return std::to_string(static_cast<int>(error.status())) + " " + error.what();
  }
  return "";
}

TEST(CheckIn, FailsAsOpenInDoesAndOpensNothing) {
  const TempDir outside, dir;
  dir.Write("a", "aa");
  fs::create_symlink("a", dir.Path("inside"));
  fs::create_symlink(outside.Write("secret", "s"), dir.Path("out"));
  fs::create_symlink("gone", dir.Path("dangling"));
  fs::create_symlink("loop", dir.Path("loop"));
  fs::create_symlink("/dev/zero", dir.Path("device"));
  dir.Write("hard", "h");
  fs::create_hard_link(dir.Path("hard"), dir.Path("harder"));
  fs::create_directory(dir.Path("folder"));
  ASSERT_EQ(mkfifo(dir.Path("fifo").c_str(), 0600), 0);
  dir.Write("private", "p");
  fs::permissions(dir.Path("private"), fs::perms::none);
  for (const TempDir* folder : {&dir, &outside}) fs::permissions(folder->path(), fs::perms::all);
  const NotRoot not_root;
  OpenWatch watch;
  watch.Add(dir.path());
  int good = 0;
  for (const bool allow : {false, true}) {
    const Folder folder(dir.path(), allow);
    for (const char* name : {"a", "inside", "out", "dangling", "loop", "device", "hard", "harder",
                             "folder", "fifo", "private", "gone", "../a", ""}) {
      watch.Take();
      const std::string checked = ErrorOf([&] { File::CheckIn(folder, name); });
      EXPECT_THAT(watch.Take(), testing::IsEmpty()) << name;
      EXPECT_EQ(checked, ErrorOf([&] { File::OpenIn(folder, name); })) << name;
      good += checked.empty();
    }
  }
  EXPECT_EQ(good, 2 + 5);  // a, inside; and out, hard, harder where links are allowed
}

// A name that turns from a file into a link out of the folder and back, all the time.
TEST(OpenIn, NeverReadsOutsideThoughTheNameIsSwapped) {
  const TempDir outside, dir;
  fs::create_symlink(outside.Write("secret", "out"), outside.Path("link"));
  dir.Write("a", "in");
  OpenWatch watch;
  watch.Add(outside.Path("secret"));
  std::atomic<bool> stop = false;
  std::thread swapper([&] {
    const std::string name = dir.Path("a"), other = dir.Path("b");
    fs::copy_symlink(outside.Path("link"), other);
    while (!stop) {  // exchanges the two in one step
      EXPECT_EQ(renameat2(AT_FDCWD, name.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE), 0);
    }
  });
  int opened = 0, refused = 0;
  for (int i = 0; i < 20'000 || opened == 0 || refused == 0; ++i) {
    try {
      const File file = File::OpenIn(dir.path(), "a");
      EXPECT_EQ(ReadString(file, 0, 2), "in");
      ++opened;
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), Status::kPath) << error.what();
      ++refused;
    }
    if (i == 1'000'000) break;
  }
  stop = true;
  swapper.join();
  EXPECT_GT(opened, 0);
  EXPECT_GT(refused, 0);
  EXPECT_THAT(watch.Take(), testing::IsEmpty());
}

TEST(SubFolder, LinksMayLeadToAllOfTheOuterOne) {
  const TempDir outside, dir;
  outside.Write("secret", "s");
  dir.Write("a", "aaa");
  fs::create_directories(dir.Path("in/deep"));
  dir.Write("in/b", "bb");
  fs::create_symlink("../a", dir.Path("in/up"));
  fs::create_symlink("../../a", dir.Path("in/deep/up"));
  fs::create_symlink(outside.Path("secret"), dir.Path("in/out"));
  fs::create_directory_symlink("in", dir.Path("link"));
  fs::create_directory_symlink(outside.path(), dir.Path("away"));
  const Folder folder(dir.path());
  for (const char* name : {"in", "link"}) {
    const Folder sub = folder.Sub(name);
    EXPECT_EQ(sub.path, dir.Path(name));
    EXPECT_EQ(ReadString(File::OpenIn(sub, "b"), 0, 2), "bb");
    EXPECT_EQ(ReadString(File::OpenIn(sub, "up"), 0, 3), "aaa");
    EXPECT_EQ(ReadString(File::OpenIn(sub.Sub("deep"), "up"), 0, 3), "aaa");
    ExpectError(Status::kPath, {sub.path + "/out", "expected a file inside its folder"},
                [&] { File::OpenIn(sub, "out"); });
  }
  ExpectError(Status::kPath, {dir.Path("in/up"), "expected a file inside its folder"},
              [&] { File::OpenIn(dir.Path("in"), "up"); });
  ExpectError(Status::kPath, {dir.Path("away"), "expected a folder inside its folder"},
              [&] { folder.Sub("away"); });
  ExpectError(Status::kNotFound, {dir.Path("gone")}, [&] { folder.Sub("gone"); });
  ExpectError(Status::kPath, {"'in/deep' is not a plain file name"},
              [&] { folder.Sub("in/deep"); });
  const Folder any(dir.path(), /*allow=*/true);
  EXPECT_EQ(ReadString(File::OpenIn(any.Sub("away"), "secret"), 0, 1), "s");
}

TEST(Park, ReadsTheSameFileOrNone) {
  const TempDir dir;
  const std::string path = dir.Write("a", "0123");
  File file = File::Open(path);
  file.Park();
  file.Park();
  EXPECT_EQ(ReadString(file, 1, 2), "12");
  File moved = std::move(file);
  EXPECT_EQ(ReadString(moved, 0, 4), "0123");
  fs::rename(path, dir.Path("old"));
  ExpectError(Status::kNotFound, {path}, [&] { ReadString(moved, 0, 1); });
  dir.Write("a", "evil");
  ExpectError(Status::kIo, {path, "another file has taken its place"},
              [&] { ReadString(moved, 0, 1); });
}

TEST(WriteFileAtomically, ReplacesAndLeavesNothingBeside) {
  const TempDir dir;
  const std::string path = dir.Path("out");
  WriteAtomically(path, "first");
  EXPECT_EQ(ReadTextFile(path, 100), "first");
  WriteAtomically(path, "");
  EXPECT_EQ(ReadTextFile(path, 100), "");
  const std::string large(3 << 20, 'x');
  WriteAtomically(path, large);
  EXPECT_EQ(ReadTextFile(path, 4 << 20), large);
  EXPECT_EQ(std::distance(fs::directory_iterator(dir.path()), fs::directory_iterator()), 1);
  EXPECT_EQ(fs::status(path).permissions(), fs::perms(0644));
}

TEST(WriteFileAtomically, WhatComesInPiecesIsOneFileOrNone) {
  const TempDir dir;
  const std::string path = dir.Write("out", "old");
  const auto write = [&](bool fails) {
    WriteFileAtomically(path, [&](const ByteSink& sink) {
      sink(std::as_bytes(std::span(std::string_view("ab"))));
      EXPECT_EQ(ReadTextFile(path, 100), "old");
      if (fails) Fail(Status::kNumeric, "in the middle");
      sink({});
      sink(std::as_bytes(std::span(std::string_view("cd"))));
    });
  };
  ExpectError(Status::kNumeric, {"in the middle"}, [&] { write(true); });
  EXPECT_EQ(ReadTextFile(path, 100), "old");
  EXPECT_EQ(std::distance(fs::directory_iterator(dir.path()), fs::directory_iterator()), 1);
  write(false);
  EXPECT_EQ(ReadTextFile(path, 100), "abcd");
  EXPECT_EQ(std::distance(fs::directory_iterator(dir.path()), fs::directory_iterator()), 1);
}

TEST(WriteFileAtomically, HonoursTheUmask) {
  const TempDir dir;
  const mode_t before = ::umask(027);
  WriteAtomically(dir.Path("a"), "x");
  ::umask(before);
  EXPECT_EQ(fs::status(dir.Path("a")).permissions(), fs::perms(0640));
}

TEST(ListFolder, NamesInOrder) {
  const TempDir dir;
  for (const char* name : {"b", "a", ".c"}) dir.Write(name, "");
  EXPECT_EQ(ListFolder(dir.path()), (std::vector<std::string>{".c", "a", "b"}));
  ExpectError(Status::kNotFound, {dir.Path("no") + ": cannot list: No such file"},
              [&] { ListFolder(dir.Path("no")); });
  ExpectError(Status::kIo, {dir.Path("a") + ": cannot list: "}, [&] { ListFolder(dir.Path("a")); });
}

TEST(WriteFileAtomically, FailureKeepsTheOldFile) {
  const TempDir dir;
  ExpectError(Status::kIo, {dir.Path("no/out"), "temporary file"},
              [&] { WriteAtomically(dir.Path("no/out"), "x"); });
  fs::create_directory(dir.Path("folder"));
  dir.Write("folder/keep", "");
  ExpectError(Status::kIo, {dir.Path("folder"), "rename"},
              [&] { WriteAtomically(dir.Path("folder"), "x"); });
  EXPECT_TRUE(FileExists(dir.Path("folder/keep")));
  EXPECT_EQ(std::distance(fs::directory_iterator(dir.path()), fs::directory_iterator()), 1);
}

}  // namespace
}  // namespace inference
