//go:build tools

// The programs that this module builds; its go.mod pins them.
package tools

import (
	_ "go.etcd.io/etcd/server/v3"
)
