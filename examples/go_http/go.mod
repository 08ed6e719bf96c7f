module example/go_http

go 1.23

require libinference.dev/inference v0.1.0

replace libinference.dev/inference => ../../bindings/go
