"""The public routes, with all three servers behind them on real sockets."""
