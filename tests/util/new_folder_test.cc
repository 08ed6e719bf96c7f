#include "util/new_folder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "support/expect_error.h"
#include "support/not_root.h"
#include "support/temp_dir.h"

namespace inference {
namespace {

namespace fs = std::filesystem;

TEST(NewFolder, AppearsWhenItIsComplete) {
  const TempDir dir;
  const std::string wanted = dir.Path("m");
  {
    NewFolder folder(wanted + "/");
    std::ofstream(folder.path() + "/a") << "x";
    EXPECT_FALSE(fs::exists(wanted));
    folder.Commit();
  }
  EXPECT_TRUE(fs::exists(wanted + "/a"));
  EXPECT_EQ(std::distance(fs::directory_iterator(dir.path()), {}), 1);
}

TEST(NewFolder, LeavesNothingWithoutCommit) {
  const TempDir dir;
  {
    const NewFolder folder(dir.Path("m"));
    std::ofstream(folder.path() + "/a") << "x";
  }
  EXPECT_TRUE(fs::is_empty(dir.path()));
}

TEST(NewFolder, HonoursTheUmask) {
  const TempDir dir;
  const mode_t before = ::umask(027);
  NewFolder(dir.Path("m")).Commit();
  ::umask(before);
  EXPECT_EQ(fs::status(dir.Path("m")).permissions(), fs::perms(0750));
  NewFolder(dir.Path("n")).Commit();
  EXPECT_EQ(fs::status(dir.Path("n")).permissions(), fs::perms(0777 & ~before & 0755));
}

TEST(NewFolder, RefusesNamesThatRenameWould) {
  const TempDir dir;
  for (const char* name : {".", "..", "./", "../", "a/.", "a/.."}) {
    ExpectError(Status::kArg, {"ends in '.", "expected the name of a new or an empty folder"},
                [&] { NewFolder folder(name); });
  }
  const std::string file = dir.Write("file", "");
  fs::create_directory(dir.Path("empty"));
  fs::create_symlink("empty", dir.Path("link"));
  for (const char* name : {"file", "link"}) {
    ExpectError(Status::kState, {dir.Path(name) + ": exists, expected a new or an empty folder"},
                [&] { NewFolder folder(dir.Path(name)); });
  }
  ExpectError(Status::kState, {": exists"}, [&] { NewFolder folder("/"); });
  for (const std::string& name : {file + "/m", dir.Path("no/m")}) {
    ExpectError(Status::kNotFound, {name + ": cannot create a folder beside it"},
                [&] { NewFolder folder(name); });
  }
}

TEST(NewFolder, WhatCannotBeLookedAtIsAnErrorOfReading) {
  const TempDir dir;
  fs::permissions(dir.path(), fs::perms::all);
  for (const char* name : {"closed", "blind"}) fs::create_directory(dir.Path(name));
  fs::permissions(dir.Path("closed"), fs::perms::none);
  fs::permissions(dir.Path("blind"), fs::perms::none);
  const NotRoot not_root;
  ExpectError(Status::kIo, {"closed/m: cannot stat: Permission denied"},
              [&] { NewFolder folder(dir.Path("closed/m")); });
  ExpectError(Status::kIo, {"blind: cannot list: Permission denied"},
              [&] { NewFolder folder(dir.Path("blind")); });
}

// An empty folder that another file system is mounted on; nothing where there is none.
std::optional<std::string> EmptyMountPoint() {
  std::ifstream mounts("/proc/self/mounts");
  for (std::string device, path, rest; mounts >> device >> path; std::getline(mounts, rest)) {
    struct stat own {
    }, parent{};
    std::error_code code;
    if (::stat(path.c_str(), &own) == 0 && ::stat((path + "/..").c_str(), &parent) == 0 &&
        S_ISDIR(own.st_mode) && own.st_dev != parent.st_dev && fs::is_empty(path, code) && !code) {
      return path;
    }
  }
  return std::nullopt;
}

TEST(NewFolder, MountPointsCannotBeReplaced) {
  const std::optional<std::string> path = EmptyMountPoint();
  if (!path) GTEST_SKIP() << "no empty mount point here";
  ExpectError(Status::kState, {*path + ": is a mount point, expected"},
              [&] { NewFolder folder(*path); });
}

}  // namespace
}  // namespace inference
