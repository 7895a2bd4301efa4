# Tests in a browser; the Makefile includes this. `test` may depend on `browser`, which never fails.

.PHONY: browser test-browser

browser: ## install Chromium for the browser tests, where that can be done
	@sh scripts/install-browser.sh

test-browser: $(DEVELOPMENT) browser ## run the tests in a browser; SCREENSHOTS=folder keeps a picture of every page
	GRIDLORE_TEST_SCREENSHOTS=$(SCREENSHOTS) $(BIN)/python -m pytest -rs tests/browser $(ARGS)
