// Command go is the matrix's driver of the Go SDK: it reads a script from
// stdin, runs its steps through the SDK's public interface alone, and prints
// what came of each. The format is in the README two folders up. It judges
// nothing, and takes nothing of the server or of the contract.
package main
