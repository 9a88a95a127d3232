"""Long random lives of the catalog and of a whole shop, each beside a model of a page."""
