module libinference.dev/inference

go 1.23
