// Sends itself ten bytes through a pipe, a millisecond apart, and prints how many arrived. Go's runtime waits for
// them on an epoll instance of its own, by bare system calls.
package main

import (
	"os"
	"time"
)

func main() {
	from, to, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	go func() {
		for i := 0; i < 10; i++ {
			time.Sleep(time.Millisecond)
			to.Write([]byte{'x'})
		}
		to.Close()
	}()
	arrived := 0
	for buffer := make([]byte, 1); ; arrived++ {
		if count, err := from.Read(buffer); count == 0 || err != nil {
			break
		}
	}
	if arrived == 10 {
		os.Stdout.WriteString("10\n")
	}
}
