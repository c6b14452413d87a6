package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/engram-stream/engram/service/internal/config"
)

// bindConfig adds the flags of every setting, and of the file they may be in.
func bindConfig(c *cobra.Command) {
	c.Flags().String("config", os.Getenv("ENGRAM_CONFIG"), "YAML file with settings (or ENGRAM_CONFIG)")
	config.BindFlags(c.Flags())
}

// loadConfig reads the settings a command is to run with.
func loadConfig(c *cobra.Command) (config.Config, []config.Origin, error) {
	file, err := c.Flags().GetString("config")
	if err != nil {
		return config.Config{}, nil, err
	}
	cfg, origins, err := config.Load(config.Sources{Flags: c.Flags(), Env: os.Environ(), File: file})
	if err != nil {
		return cfg, nil, &codedError{exitConfig, fmt.Errorf("invalid configuration: %w", err)}
	}
	return cfg, origins, nil
}

func configCommand() *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Show and check the settings of a server"}
	var format string
	var origins bool
	show := &cobra.Command{
		Use: "print", Short: "Print the settings in force", Args: cobra.NoArgs,
		Long: "Prints the settings that 'engram serve' would run with, as a commented YAML file\nthat it reads back. Secrets are not shown.",
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, from, err := loadConfig(c)
			if err != nil {
				return err
			}
			if origins {
				return config.PrintOrigins(c.OutOrStdout(), from)
			}
			return config.Print(c.OutOrStdout(), cfg, format)
		},
	}
	bindConfig(show)
	show.Flags().StringVar(&format, "format", "yaml", "yaml or json")
	show.Flags().BoolVar(&origins, "origins", false, "print where each value comes from")
	check := &cobra.Command{
		Use: "check", Short: "Check the settings and say what is wrong", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if _, _, err := loadConfig(c); err != nil {
				return err
			}
			_, err := fmt.Fprintln(c.OutOrStdout(), "the configuration is valid")
			return err
		},
	}
	bindConfig(check)
	c.AddCommand(show, check)
	return c
}
