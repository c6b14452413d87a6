//go:build !unix

package space

import "errors"

func mapAnonymous(int) ([]byte, error) { return nil, errors.ErrUnsupported }

func unmapAnonymous([]byte) {}
